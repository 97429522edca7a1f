"""Kubeflow Pipelines: a run of a pipeline's version, named by our id."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, final
from urllib.parse import urlencode

import orjson

from drift.notify.adapters.base import Adapter, Door
from drift.notify.base import Message


@final
@dataclass(frozen=True, slots=True)
class Kubeflow(Adapter):
    """`POST /apis/v2beta1/runs` of `target`, pipeline/version; the pipeline takes a parameter `event`, as JSON text.

    Its API knows no idempotency key: a run of that display name is looked for first.
    """

    name: ClassVar[str] = "kubeflow"

    door: Door
    target: str

    def send(self, message: Message, *, now: datetime) -> int:
        named = {"key": "display_name", "operation": "EQUALS", "string_value": message.id}
        query = urlencode({"page_size": 1, "filter": orjson.dumps({"predicates": [named]}).decode()})
        answer = self.door.get(f"/apis/v2beta1/runs?{query}", now=now)
        found = self.door.read(answer)
        if isinstance(found, dict) and found.get("runs"):
            return answer.status
        pipeline, _, version = self.target.partition("/")
        run = {
            "display_name": message.id,
            "pipeline_version_reference": {"pipeline_id": pipeline, "pipeline_version_id": version},
            "runtime_config": {"parameters": {"event": message.body.decode()}},
        }
        return self.door.require(self.door.post("/apis/v2beta1/runs", run, now=now))

    def reach(self) -> None:
        self.door.reach()
