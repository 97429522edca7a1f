"""Alerts over HTTP: those that fired, who looks after them, and which of them on-call says were false."""

from fastapi import FastAPI, HTTPException, Request
from pydantic import BaseModel, ConfigDict, Field

from drift.alert import Acknowledgement, AlertState
from drift.api.answers import AlertAnswer
from drift.api.requests import asker
from drift.scheduler import Service
from drift.store import acknowledgements, false_alerts, reads
from drift.store.false_alerts import Mark


class AcknowledgementRequest(BaseModel):
    """Who looks after it, by default whose token it is, and what that one says."""

    model_config = ConfigDict(extra="forbid")

    by: str = Field(default="", max_length=200)
    note: str = Field(default="", max_length=2000)


def add_alerts(app: FastAPI, service: Service) -> None:
    """Give `app` the alerts of the database of `service`."""
    _add_acknowledgements(app, service)

    @app.get("/v1/alerts", tags=["reads"])
    def alerts(state: AlertState | None = None, stream: str | None = None) -> list[AlertAnswer]:
        """Alerts, open ones first, then newest first; by default those that fire or did."""
        states = (state,) if state else (AlertState.FIRING, AlertState.RESOLVED)
        with service.engine.connect() as conn:
            return [AlertAnswer.of(row) for row in reads.alerts(conn, states=states, stream=stream)]

    @app.post("/v1/alerts/{id}/false", tags=["alerts"])
    def mark_false(id: str, request: Request) -> AlertAnswer:  # noqa: A002  # the name in the path
        """Say that an alert told of nothing: `drift check` counts such pages beside those that chance may raise."""
        by = asker(request)
        return _marked(id, Mark(by, service.clock()))

    @app.delete("/v1/alerts/{id}/false", tags=["alerts"])
    def unmark(id: str) -> AlertAnswer:  # noqa: A002
        """Take that back."""
        return _marked(id, None)

    def _marked(id_: str, said: Mark | None) -> AlertAnswer:
        with service.engine.begin() as conn:
            row = false_alerts.mark(conn, id_, said)
        if row is None:
            raise HTTPException(404, f"no alert {id_!r} has fired: GET /v1/alerts lists them with their ids")
        return AlertAnswer.of(row)


def _add_acknowledgements(app: FastAPI, service: Service) -> None:
    @app.post("/v1/alerts/{id}/acknowledge", tags=["alerts"])
    def acknowledge(id: str, request: Request, asked: AcknowledgementRequest | None = None) -> AlertAnswer:  # noqa: A002
        """Say that somebody looks after an alert that fires. The first who says so stays."""
        said = asked or AcknowledgementRequest()
        return _taken(id, Acknowledgement(asker(request, said.by), service.clock(), said.note))

    @app.delete("/v1/alerts/{id}/acknowledge", tags=["alerts"])
    def give_back(id: str) -> AlertAnswer:  # noqa: A002
        """Take that back."""
        return _taken(id, None)

    def _taken(id_: str, said: Acknowledgement | None) -> AlertAnswer:
        with service.engine.begin() as conn:
            row = acknowledgements.acknowledge(conn, id_, said)
        if row is None:
            raise HTTPException(404, f"no alert {id_!r} fires: GET /v1/alerts?state=firing lists those that do")
        return AlertAnswer.of(row)
