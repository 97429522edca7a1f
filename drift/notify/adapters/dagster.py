"""Dagster: a run of a job, tagged with our id."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Final, final

from drift.errors import DeliveryError
from drift.notify.adapters.base import KEPT, Adapter, Door
from drift.notify.base import Message

TAG: Final = "drift/id"
_FIND: Final = """query Find($filter: RunsFilter!) {
  runsOrError(filter: $filter, limit: 1) { __typename ... on Runs { results { runId } } }
}"""
_LAUNCH: Final = """mutation Launch($executionParams: ExecutionParams!) {
  launchRun(executionParams: $executionParams) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
    ... on RunConfigValidationInvalid { errors { message } }
  }
}"""


@final
@dataclass(frozen=True, slots=True)
class Dagster(Adapter):
    """`launchRun` over `POST /graphql`, of the `target` location/repository/job; the tag `drift/event` has the event.

    Its API knows no idempotency key: a run with the tag `drift/id` is looked for first. An error comes with status 200.
    """

    name: ClassVar[str] = "dagster"

    door: Door
    target: str

    def send(self, message: Message, *, now: datetime) -> int:
        tag = {"key": TAG, "value": message.id}
        found = self._ask(_FIND, {"filter": {"tags": [tag]}}, "runsOrError", now)
        if found.get("results"):
            return 200
        location, repository, job = self.target.split("/")
        selector = {"repositoryLocationName": location, "repositoryName": repository, "jobName": job}
        tags = [tag, {"key": "drift/event", "value": message.body.decode()}]
        params = {"selector": selector, "runConfigData": {}, "executionMetadata": {"tags": tags}}
        launched = self._ask(_LAUNCH, {"executionParams": params}, "launchRun", now)
        if launched.get("__typename") != "LaunchRunSuccess":
            raise DeliveryError(
                f"{self.door.endpoint.name} needs a run of {self.target}, found {launched!r:.500}", status=200
            )
        return 200

    def reach(self) -> None:
        self.door.reach()

    def _ask(self, query: str, variables: object, field: str, now: datetime) -> dict[str, object]:
        answer = self.door.post("/graphql", {"query": query, "variables": variables}, now=now, keep=KEPT)
        read = self.door.read(answer)
        data = read.get("data") if isinstance(read, dict) else None
        found = data.get(field) if isinstance(data, dict) else None
        if not isinstance(found, dict):
            raise DeliveryError(f"{self.door.endpoint.name} needs `{field}`, found {read!r:.500}", status=answer.status)
        return found
