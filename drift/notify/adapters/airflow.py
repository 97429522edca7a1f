"""Airflow 3: a run of a DAG, whose id is ours."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Final, final
from urllib.parse import quote

from drift.notify.adapters.base import Adapter, Door, event_of
from drift.notify.base import Message

CONFLICT: Final = 409


@final
@dataclass(frozen=True, slots=True)
class Airflow(Adapter):
    """`POST /api/v2/dags/{target}/dagRuns`; `conf` holds the event. A run of that id that exists already is success."""

    name: ClassVar[str] = "airflow"

    door: Door
    target: str

    def send(self, message: Message, *, now: datetime) -> int:
        # `logical_date` must be there; null lets runs of the same moment be several.
        run = {"dag_run_id": message.id, "logical_date": None, "conf": {"event": event_of(message)}}
        answer = self.door.post(f"/api/v2/dags/{quote(self.target, safe='')}/dagRuns", run, now=now)
        return answer.status if answer.status == CONFLICT else self.door.require(answer)

    def reach(self) -> None:
        self.door.reach()
