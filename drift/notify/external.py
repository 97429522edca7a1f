"""Labels that tell the alerts of this installation from those of others at the same Alertmanager (`external_labels`).

As with Prometheus, they are there at the Alertmanager only: what is stored and shown here goes without them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

import orjson

from drift.notify.base import AlertReceiver, Held, Look, Message
from drift.notify.muting import Matcher, Silence
from drift.notify.silences import Live, Silencer
from drift.notify.silences import Silence as Planned


@dataclass(frozen=True, slots=True)
class Labelled:
    """An Alertmanager that is told every alert with `external` labels, and asked only for what has them."""

    receiver: AlertReceiver
    external: Mapping[str, str]

    def send(self, message: Message, *, now: datetime) -> int:
        alerts = [alert | {"labels": self.external | alert["labels"]} for alert in orjson.loads(message.body)]
        return self.receiver.send(Message(message.id, orjson.dumps(alerts)), now=now)

    def look(self, *, now: datetime) -> Look:
        found = self.receiver.look(now=now)
        met = (silence for silence in found.silences if all(one.matches(self.external) for one in self._on(silence)))
        return replace(found, silences=tuple(self._without(silence) for silence in met))

    def held(self, *, now: datetime) -> Held:
        found = self.receiver.held(now=now)
        ours = (labels for labels in found.labels if self.external.items() <= labels.items())
        return replace(found, labels=tuple(self._inner(labels) for labels in ours))

    def _on(self, silence: Silence) -> list[Matcher]:
        return [one for one in silence.matchers if one.name in self.external]

    def _without(self, silence: Silence) -> Silence:
        return replace(silence, matchers=tuple(one for one in silence.matchers if one.name not in self.external))

    def _inner(self, labels: Mapping[str, str]) -> Mapping[str, str]:
        return {name: value for name, value in labels.items() if name not in self.external}


@dataclass(frozen=True, slots=True)
class LabelledSilences:
    """The silences of one Alertmanager, which cover only alerts with `external` labels."""

    silencer: Silencer
    external: Mapping[str, str]

    def live(self) -> list[Live]:
        # One that was made with other labels, or with none, is unlike what is wanted, and so corrected.
        return [replace(one, matchers=one.matchers ^ self._matchers) for one in self.silencer.live()]

    def put(self, silence: Planned, replaces: Live | None = None) -> None:
        self.silencer.put(replace(silence, matchers=silence.matchers | self._matchers), replaces)

    def expire(self, live: Live) -> None:
        self.silencer.expire(live)

    @property
    def _matchers(self) -> frozenset[Matcher]:
        return frozenset(Matcher(name, value) for name, value in self.external.items())
