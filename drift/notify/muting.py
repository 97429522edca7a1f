"""What an Alertmanager keeps from people: its silences, and how long an alert that ended under one must be repeated."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from pydantic import AwareDatetime, BaseModel, Field, TypeAdapter

RESOLVED_FOR: Final = timedelta(minutes=15)
"""How long it is repeated that an alert is over, as Prometheus does."""
REMEMBERED: Final = timedelta(hours=120)
"""How long an Alertmanager remembers by default whom it told of an incident; after it nobody is told of its end."""


@dataclass(frozen=True, slots=True, order=True)
class Matcher:
    """A condition on one label; a label that is not there is "". A regular expression must match all of the value."""

    name: str
    value: str
    is_regex: bool = False
    is_equal: bool = True

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether `labels` meet it. An expression that only Go can read counts as met: that repeats an end in vain."""
        found = labels.get(self.name, "")
        if not self.is_regex:
            return (found == self.value) is self.is_equal
        try:
            return (re.fullmatch(self.value, found) is not None) is self.is_equal
        except re.error:
            return True


@dataclass(frozen=True, slots=True)
class Silence:
    """Alerts that meet all of `matchers` are kept from people in [starts_at, ends_at); by the Alertmanager's `id`."""

    matchers: tuple[Matcher, ...]
    starts_at: datetime
    ends_at: datetime
    id: str = ""
    comment: str = ""
    is_over: bool = False

    def covers(self, labels: Mapping[str, str]) -> bool:
        """Whether it silences the alert of these labels while it lasts."""
        return all(matcher.matches(labels) for matcher in self.matchers)


def repeated_until(labels: Mapping[str, str], ends_at: datetime, silences: Iterable[Silence]) -> datetime:
    """Until when it must be repeated that the alert of `labels` was over at `ends_at`.

    Of an end under a silence nobody is told, not even later: the incident at the pager stays open. Where it is repeated
    after the silence, it closes. One silence may follow on another.
    """
    until = ends_at + RESOLVED_FOR
    for silence in sorted(silences, key=lambda silence: silence.starts_at):
        if silence.starts_at < until and silence.covers(labels):
            until = max(until, silence.ends_at + RESOLVED_FOR)
    return until


def still_repeated(silences: Iterable[Silence], *, now: datetime) -> datetime:
    """Since when alerts have ended whose end may still have to be repeated, whatever `silences` cover."""
    alive = now
    for silence in sorted(silences, key=lambda silence: silence.ends_at, reverse=True):
        if silence.ends_at + RESOLVED_FOR > alive:
            alive = min(alive, silence.starts_at)
    return max(alive - RESOLVED_FOR, now - REMEMBERED)


class _Matcher(BaseModel):
    name: str
    value: str
    is_regex: bool = Field(alias="isRegex")
    is_equal: bool = Field(alias="isEqual", default=True)


class _Status(BaseModel):
    state: str


class _Silence(BaseModel):
    id: str
    comment: str
    status: _Status
    matchers: list[_Matcher]
    starts_at: AwareDatetime = Field(alias="startsAt")
    ends_at: AwareDatetime = Field(alias="endsAt")


_ANSWER: Final = TypeAdapter(list[_Silence])


def parse_silences(body: bytes) -> tuple[Silence, ...]:
    """The silences in an answer to `GET /api/v2/silences`.

    Raises:
        ValueError: it is not such an answer.
    """

    def matcher(told: _Matcher) -> Matcher:
        return Matcher(told.name, told.value, told.is_regex, told.is_equal)

    return tuple(
        Silence(
            tuple(map(matcher, told.matchers)),
            told.starts_at,
            told.ends_at,
            told.id,
            told.comment,
            told.status.state == "expired",
        )
        for told in _ANSWER.validate_json(body)
    )
