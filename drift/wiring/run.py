"""Run the service in this process, and the dashboard beside it, until told to stop."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TextIO

import structlog
import uvicorn

from drift.api.app import create_app
from drift.api.metrics import Exporter
from drift.config import Config, Settings
from drift.scheduler import Scheduler, Service
from drift.wiring.build import begin, build_service
from drift.wiring.database import Database, hosted
from drift.wiring.logs import configure
from drift.wiring.otel import exporting
from drift.wiring.processes import beside, require_free
from drift.wiring.strangers import require_sign_in, require_tokens

_logger = structlog.get_logger()


def run(config: Config, path: Path, settings: Settings, *, with_dashboard: bool) -> None:
    """Serve until SIGINT or SIGTERM; then finish what is under way and stop all that was started here.

    Raises:
        DriftError: a port is taken, or something that the configuration names is not there or cannot be used.
    """
    require_tokens(config, settings)
    if with_dashboard:
        require_sign_in(config, settings)
    ports = {"DRIFT_PORT": settings.port}
    require_free(settings.host, ports | ({"DRIFT_DASHBOARD_PORT": settings.dashboard_port} if with_dashboard else {}))
    with ExitStack() as running:
        found = running.enter_context(hosted(settings))
        if with_dashboard:
            running.enter_context(beside_dashboard(found, path, settings, log=None))
        configure(settings, sys.stderr)
        serve(build_service(config, found.engine, settings.home), settings)


def serve(service: Service, settings: Settings) -> None:
    """API, clocks and `/metrics` in this process, until SIGINT or SIGTERM."""
    begin(service)
    scheduler = Scheduler(service)
    server = uvicorn.Server(
        uvicorn.Config(
            create_app(service, scheduler),
            host=settings.host,
            port=settings.port,
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=10,
        )
    )
    scheduler.start()
    _logger.info("service started", api=f"http://{settings.host}:{settings.port}", streams=len(service.monitors))
    try:
        with exporting(Exporter(service, scheduler)):
            server.run()
    finally:
        scheduler.stop()
        _logger.info("service stopped")


@contextmanager
def beside_dashboard(found: Database, path: Path, settings: Settings, *, log: TextIO | None) -> Iterator[None]:
    """The dashboard on `path`, as a process of its own, until the block ends."""
    command = [sys.executable, "-m", "drift", "dashboard", str(path.resolve())]
    environment = {
        "DRIFT_DASHBOARD_DATABASE_URL": found.reader_url,
        "DRIFT_HOST": settings.host,
        "DRIFT_PORT": str(settings.port),
        "DRIFT_DASHBOARD_PORT": str(settings.dashboard_port),
        "DRIFT_OPEN": str(settings.open),
    }
    with beside(command, environment, cwd=Path.cwd(), log=log):
        yield
