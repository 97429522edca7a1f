"""Fixtures: one Postgres for all tests of a process, one database for each test."""

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa
import structlog
import torch

from drift.store import migrate
from drift.store.connect import connect
from drift.store.embedded import FAST_FOR_TESTS, EmbeddedPostgres

if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"  # Triton reads it when it is imported, by whatever test comes first
# By default rich draws each traceback with the source and the variables of every call, which takes seconds.
structlog.configure(processors=[structlog.processors.format_exc_info, structlog.dev.ConsoleRenderer(colors=False)])


@dataclass(frozen=True)
class Server:
    """A Postgres to make databases on, and one of them, migrated, to copy."""

    admin_url: str
    template: str

    @property
    def seeded(self) -> str:
        """The database that `seed.database` makes, for all tests that only read it."""
        return f"{self.template}_seeded"

    def url(self, database: str) -> str:
        return sa.make_url(self.admin_url).set(database=database).render_as_string(hide_password=False)

    def run(self, statement: str) -> None:
        engine = connect(self.admin_url).execution_options(isolation_level="AUTOCOMMIT")
        try:
            with engine.connect() as conn:
                conn.execute(sa.text(statement))
        finally:
            engine.dispose()


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """The Postgres of DRIFT_DATABASE_URL where that is set, else an embedded one in a folder of its own."""
    if given := os.environ.get("DRIFT_DATABASE_URL"):
        yield from _with_template(given)
        return
    home = Path(tempfile.mkdtemp(prefix="drift-tests-"))
    home.chmod(0o755)  # the server's service user must reach it
    embedded = EmbeddedPostgres(home / "postgres", FAST_FOR_TESTS)
    embedded.start()
    try:
        yield from _with_template(embedded.url())
    finally:
        embedded.stop()
        shutil.rmtree(home)


def _with_template(admin_url: str) -> Iterator[Server]:
    server = Server(admin_url, f"template_{uuid.uuid4().hex}")
    server.run(f"CREATE DATABASE {server.template}")
    try:
        engine = connect(server.url(server.template))
        migrate.upgrade(engine)
        engine.dispose()
        yield server
    finally:
        for name in (server.seeded, server.template):
            server.run(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.fixture
def postgres_url(server: Server) -> Iterator[str]:
    """The URL of a fresh, migrated database."""
    name = f"t{uuid.uuid4().hex}"
    server.run(f"CREATE DATABASE {name} TEMPLATE {server.template}")
    yield server.url(name)
    server.run(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def engine(postgres_url: str) -> Iterator[sa.Engine]:
    engine = connect(postgres_url)
    yield engine
    engine.dispose()
