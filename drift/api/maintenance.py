"""Maintenance windows over HTTP: what is planned, a new one, and the end of one."""

from datetime import datetime
from typing import Annotated, Self
from uuid import uuid4

from fastapi import FastAPI, HTTPException, Query, Request
from pydantic import BaseModel, ConfigDict, model_validator

from drift.api.requests import asker
from drift.config.values import Duration
from drift.errors import MaintenanceError, UnknownMaintenanceError
from drift.pipeline import maintenance
from drift.pipeline.maintenance import Author, Wish
from drift.records import Coverage, Maintenance, Planned
from drift.scheduler import Service
from drift.store import maintenance as kept


class MaintenanceRequest(BaseModel):
    """A new window: of one `stream` (by name with its segments, or a segment's key), or of `all`; of one `model`.

    It has an `end` or a `length` (`2h`), and begins now unless it has a `start`; times without an offset are those of
    `timezone`. An `rrule` (RFC 5545) repeats it, with COUNT, UNTIL or `until` as its end.
    """

    model_config = ConfigDict(extra="forbid")

    owner: str
    reason: str
    stream: str = ""
    all: bool = False
    model: str = ""
    start: datetime | None = None
    end: datetime | None = None
    length: Duration | None = None
    rrule: str = ""
    until: datetime | None = None
    timezone: str = "UTC"

    @model_validator(mode="after")
    def _says_what(self) -> Self:
        if bool(self.stream) == self.all:
            raise ValueError("say what it covers: either a `stream`, or `all: true`")
        return self

    def wish(self) -> Wish:
        """What is asked for."""
        covers = Coverage(self.stream, self.model)
        times = (self.start, self.end, self.length, self.rrule, self.until, self.timezone)
        return Wish(covers, self.owner, self.reason, *times)


class TimeAnswer(BaseModel):
    """One time that a window is on: [start, end)."""

    start: datetime
    end: datetime


class MaintenanceAnswer(BaseModel):
    """A maintenance window, with all the times that it is on; `stream` is "" where it covers all."""

    id: str
    state: Planned
    stream: str
    model: str
    owner: str
    reason: str
    times: list[TimeAnswer]
    rrule: str
    timezone: str
    created_at: datetime
    created_by: str
    cancelled_at: datetime | None
    cancelled_by: str

    @classmethod
    def of(cls, window: Maintenance, now: datetime) -> "MaintenanceAnswer":
        return cls(
            id=window.id,
            state=window.state(now),
            stream=window.covers.stream,
            model=window.covers.model,
            owner=window.owner,
            reason=window.reason,
            times=[TimeAnswer(start=span.start, end=span.end) for span in window.times],
            rrule=window.rrule,
            timezone=window.timezone,
            created_at=window.created_at,
            created_by=window.created_by,
            cancelled_at=window.cancelled_at,
            cancelled_by=window.cancelled_by,
        )


def add_maintenance(app: FastAPI, service: Service) -> None:
    """Give `app` the maintenance windows of the database of `service`."""

    @app.get("/v1/maintenance", tags=["maintenance"])
    def planned(state: Annotated[Planned | None, Query(description="only these")] = None) -> list[MaintenanceAnswer]:
        """Maintenance windows, those that end last first."""
        now = service.clock()
        with service.engine.connect() as conn:
            found = [MaintenanceAnswer.of(window, now) for window in kept.planned(conn)]
        return [one for one in found if state is None or one.state is state]

    @app.post("/v1/maintenance", tags=["maintenance"], status_code=201)
    def plan(asked: MaintenanceRequest, request: Request) -> MaintenanceAnswer:
        """Plan maintenance: slots in it spend no budget and raise no alert, and Alertmanagers are silent.

        Any part of a slot counts. What was counted before stays as it is.
        """
        author = Author(asker(request), service.clock(), maintenance.id_of(uuid4()))
        try:
            window = maintenance.plan(asked.wish(), author)
            with service.engine.begin() as conn:
                maintenance.add(conn, window)
        except MaintenanceError as error:
            raise HTTPException(422, str(error)) from error
        return MaintenanceAnswer.of(window, author.at)

    @app.delete("/v1/maintenance/{id}", tags=["maintenance"])
    def cancel(id: str, request: Request) -> MaintenanceAnswer:  # noqa: A002  # the name in the path
        """End a window now: slots count again, and alerts are told within a minute."""
        author = Author(asker(request), service.clock())
        try:
            with service.engine.begin() as conn:
                return MaintenanceAnswer.of(maintenance.cancel(conn, id, author), author.at)
        except UnknownMaintenanceError as error:
            raise HTTPException(404, str(error)) from error
        except MaintenanceError as error:
            raise HTTPException(409, str(error)) from error
