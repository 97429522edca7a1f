"""Who may do what over HTTP, by the bearer token of a request. Stands before everything else: no body is read first."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Final

import structlog
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from drift.records import Role, Visitor

log = structlog.get_logger()
Bearer = Callable[[str], Visitor | None]

# Probes of orchestrators, pages without any data, and what carries a signature of its own.
ANYBODY: Final = (
    "/healthz",
    "/readyz",
    "/runbook",
    "/docs",
    "/redoc",
    "/openapi.json",
    "/static-offline-docs",
    "/v1/mlflow",
)
SENDERS: Final = (("/v1/streams/", "/embeddings"), ("/v1/retrains/", "/status"))
READS: Final = frozenset({"GET", "HEAD"})


def allowed(method: str, path: str) -> frozenset[Role]:
    """The roles that may send such a request; none where it needs no token."""
    if any(path == one or path.startswith(f"{one}/") for one in ANYBODY):
        return frozenset()
    if method in READS:
        return frozenset({Role.VIEWER, Role.OPERATOR})
    sends = method == "POST" and any(path.startswith(start) and path.endswith(end) for start, end in SENDERS)
    return frozenset({Role.SENDER, Role.OPERATOR}) if sends else frozenset({Role.OPERATOR})


class BearerAuth:
    """Lets a request through whose token has a role that may send it; 401 without a token, 403 for another role."""

    def __init__(self, app: ASGIApp, bearer: Bearer) -> None:
        self.app = app
        self.bearer = bearer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (refused := self._refused(scope)) is not None:
            await refused(scope, receive, send)
            return
        await self.app(scope, receive, send)

    def _refused(self, scope: Scope) -> JSONResponse | None:
        roles = allowed(scope["method"], scope["path"])
        if not roles:
            return None
        kind, _, token = Headers(scope=scope).get("authorization", "").partition(" ")
        visitor = self.bearer(token.strip()) if kind.lower() == "bearer" else None
        if visitor is None:
            said = "a token that nobody has" if token else "none"
            text = f"needed is `Authorization: Bearer` with one of the tokens of `access.tokens`, found {said}"
            return _answer(scope, HTTPStatus.UNAUTHORIZED, text, {"WWW-Authenticate": "Bearer"})
        if visitor.role not in roles:
            needed = " or ".join(sorted(roles))
            asked = f"{scope['method']} {scope['path']}"
            text = f"{asked} needs the role {needed}, the token {visitor.name!r} has {visitor.role}"
            return _answer(scope, HTTPStatus.FORBIDDEN, text, {})
        scope.setdefault("state", {})["visitor"] = visitor
        return None


def _answer(scope: Scope, status: HTTPStatus, text: str, headers: dict[str, str]) -> JSONResponse:
    client = scope.get("client")
    log.warning(
        "request refused", method=scope["method"], path=scope["path"], status=int(status), client=client and client[0]
    )
    return JSONResponse({"detail": text}, status, headers)
