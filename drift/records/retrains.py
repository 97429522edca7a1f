"""What became of the wish to have a model trained anew."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final


class RetrainState(StrEnum):
    """WAITING is for a person's approval, the others up to REJECTED are as their pipeline told.

    JOINED and COOLING are intents that asked nobody: a request for the model was open, or the last one is too recent.
    MUTED ones come from replayed history.
    """

    WAITING = "waiting"
    REQUESTED = "requested"
    STARTED = "started"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REJECTED = "rejected"
    JOINED = "joined"
    COOLING = "cooling"
    MUTED = "muted"


MOST_TEXT: Final = 2000
"""Characters of what a person or a pipeline says of an intent."""
IN_FLIGHT: Final = (RetrainState.WAITING, RetrainState.REQUESTED, RetrainState.STARTED)
"""A model has at most one request in one of these."""


@dataclass(frozen=True, slots=True)
class RetrainPolicy:
    """How a model may be asked for: not again within `cooldown`, and with `approval` only once a person agrees.

    A request of which nothing is heard for `feedback_within` has failed, so that it holds up no other for ever.
    """

    cooldown: timedelta = timedelta(hours=24)
    approval: bool = False
    feedback_within: timedelta = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Retrain:
    """One intent to retrain: one incident of one objective, which fired at `fired_at`; `id` names it for ever.

    `receivers` are who is asked, by name. `because` is the id of the request that stands in the way of this one, `by`
    who decided about it, `detail` what the pipeline or that person said. `requested_at` is when the receivers were
    asked, `new_version` what came out.
    """

    id: str
    model: str
    version: str
    stream: str
    slo: str
    reference: str
    fired_at: datetime
    asked_at: datetime
    state: RetrainState
    receivers: tuple[str, ...] = ()
    because: str = ""
    by: str = ""
    requested_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    new_version: str = ""
    detail: str = ""

    @property
    def heard_at(self) -> datetime:
        """When anything was last heard of it."""
        return self.ended_at or self.started_at or self.requested_at or self.asked_at

    @property
    def time_to_recover(self) -> timedelta | None:
        """From the alert to the new version; None where there is none."""
        if self.state is not RetrainState.SUCCEEDED or self.ended_at is None:
            return None
        return self.ended_at - self.fired_at
