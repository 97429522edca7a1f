"""What webhooks say: CloudEvents 1.0 as JSON.

These models are what is sent, its JSON Schema, and the `webhooks` of the API's description.
"""

from datetime import datetime
from typing import Final, Literal

from pydantic import Field

from drift.notify.gate_data import CanaryData, GateData, Part

LONGEST_TEXT: Final = 1000
"""Letters of any text in an event that people write; the rest is cut, so that an event stays under 20 kB."""


class CauseData(Part):
    """The likeliest cause as diagnosed; without its evidence, which may quote inputs."""

    slug: str
    score: float = Field(ge=0, le=1)
    next_step: str


class LinksData(Part):
    """Where more is to be had: the stream's page, the ids of the rows of the window, and where to tell how it goes."""

    dashboard: str
    window_ids: str
    status: str


class RetrainData(Part):
    """Why a model should be trained anew: what was measured, what would be good, how fast the budget goes, since when.

    `stream` is the key of the stream or segment; `tenant` is set where it is that of one tenant. `value` is in the unit
    of `detector`; `objective` says which values are good, and `target` which share of windows must be. Burn rates are
    budgets a period. `reference` is the version of what windows are held against.
    """

    model: str
    version: str
    stream: str
    segment: str
    tenant: str | None
    team: str
    slo: str
    objective: str
    target: float
    why: str
    cause: CauseData | None
    detector: str
    value: float
    p_value: float | None
    rows: int
    window: str
    reference: str
    since: datetime
    fired_at: datetime
    rule: str
    burn_rate_long: float
    burn_rate_short: float
    budget_remaining_ratio: float
    links: LinksData


class AlertData(Part):
    """One episode of an alert. `labels` identify it; `annotations` say what was measured, and what to do."""

    model: str
    version: str
    stream: str
    segment: str
    team: str
    slo: str
    kind: str
    severity: str
    rule: str
    started_at: datetime
    fired_at: datetime | None
    resolved_at: datetime | None
    labels: dict[str, str]
    annotations: dict[str, str]


class TicketData(Part):
    """An alert of low severity, as it is now."""

    stream: str
    slo: str
    kind: str
    state: str
    fired_at: datetime | None
    resolved_at: datetime | None
    summary: str
    dashboard_url: str


class DigestData(Part):
    """The tickets of the team `owner` that began since its last digest, also what is over by now.

    `distinct` counts an alert that came again once; `open` ones fire still. Of very many, `tickets` has the first.
    """

    owner: str
    until: datetime
    alerts: int
    open: int
    distinct: int
    tickets: list[TicketData]


class TestData(Part):
    """What `drift webhook test` sends: nothing is to be done about it."""

    __test__ = False  # it is no test of pytest's

    receiver: str
    by: str


class Event(Part):
    """The envelope. `id` is that of the header `webhook-id`: a message that comes twice has the same."""

    specversion: Literal["1.0"] = "1.0"
    id: str
    source: str
    type: str
    time: datetime
    datacontenttype: Literal["application/json"] = "application/json"

    def body(self) -> bytes:
        """The bytes that are signed and sent."""
        return self.model_dump_json().encode()


class RetrainRequested(Event):
    """A model should be trained anew. Work on each id once, and tell `data.links.status` how it goes."""

    type: Literal["io.drift.retrain.requested"] = "io.drift.retrain.requested"
    data: RetrainData


class AlertFiring(Event):
    """An alert fires."""

    type: Literal["io.drift.alert.firing"] = "io.drift.alert.firing"
    data: AlertData


class AlertResolved(Event):
    """An alert is over."""

    type: Literal["io.drift.alert.resolved"] = "io.drift.alert.resolved"
    data: AlertData


class Digest(Event):
    """A team is told of its tickets, once a day."""

    type: Literal["io.drift.digest"] = "io.drift.digest"
    data: DigestData


class CanaryDecided(Event):
    """A candidate that serves beside its baseline should take its place, or be rolled back."""

    type: Literal["io.drift.canary.decided"] = "io.drift.canary.decided"
    data: CanaryData


class GateDecided(Event):
    """The gate has decided about a candidate encoder."""

    type: Literal["io.drift.gate.decided"] = "io.drift.gate.decided"
    data: GateData


class Tested(Event):
    """Somebody wants to see whether webhooks arrive and are verified."""

    type: Literal["io.drift.test"] = "io.drift.test"
    data: TestData


EVENTS: Final[tuple[type[Event], ...]] = (
    RetrainRequested,
    AlertFiring,
    AlertResolved,
    Digest,
    CanaryDecided,
    GateDecided,
    Tested,
)


def short(text: str) -> str:
    """`text`, cut after `LONGEST_TEXT` letters."""
    return text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 1] + "…"
