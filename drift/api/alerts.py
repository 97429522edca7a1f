"""Alerts over HTTP: those that fired, and which of them on-call says were false."""

from fastapi import FastAPI, HTTPException, Request

from drift.alert import AlertState
from drift.api.answers import AlertAnswer
from drift.api.requests import asker
from drift.scheduler import Service
from drift.store import false_alerts, reads
from drift.store.false_alerts import Mark


def add_alerts(app: FastAPI, service: Service) -> None:
    """Give `app` the alerts of the database of `service`."""

    @app.get("/v1/alerts", tags=["reads"])
    def alerts(state: AlertState | None = None, stream: str | None = None) -> list[AlertAnswer]:
        """Alerts, newest first; by default those that fire or did."""
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
