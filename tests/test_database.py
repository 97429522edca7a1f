"""Who starts and stops the embedded Postgres."""

import os
import shutil
import signal
import tempfile
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from drift.config import Settings
from drift.errors import StoreError
from drift.store.connect import connect
from drift.store.embedded import Status
from drift.wiring.database import database, embedded, hosted


@pytest.fixture
def settings():
    home = Path(tempfile.mkdtemp(prefix="drift-home-"))
    home.chmod(0o755)
    settings = Settings(home=home, database_url="")
    yield settings
    embedded(settings).stop()
    shutil.rmtree(home)


def test_a_service_that_ends_leaves_the_server_to_another_that_uses_it(settings):
    with hosted(settings):
        with hosted(settings):
            pass
        with database(settings):
            pass
        assert embedded(settings).status() is Status.RUNNING
    assert embedded(settings).status() is Status.STOPPED


def test_a_command_leaves_a_server_that_was_running(settings):
    embedded(settings).start()
    with database(settings):
        pass
    assert embedded(settings).status() is Status.RUNNING
    with hosted(settings):
        pass
    assert embedded(settings).status() is Status.STOPPED


def test_a_server_that_dies_is_started_again(settings):
    with hosted(settings) as found:
        process = int((settings.home / "postgres" / "data" / "postmaster.pid").read_text().splitlines()[0])
        os.kill(process, signal.SIGKILL)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and not answers(found.engine):
            time.sleep(0.1)
        assert answers(found.engine)


def answers(engine):
    try:
        with engine.connect() as conn:
            return conn.execute(sa.text("SELECT true")).scalar_one()
    except sa.exc.OperationalError:
        return False


def test_an_address_that_is_none_is_not_repeated():
    with pytest.raises(StoreError, match="write postgresql://") as caught:
        connect("host=h password=hunter2")
    assert "hunter2" not in str(caught.value)


def test_a_database_of_ones_own_is_not_started_or_stopped(postgres_url, tmp_path):
    own = Settings(home=tmp_path / "none", database_url=postgres_url)
    with hosted(own) as found:
        assert found.url == postgres_url
    assert not (tmp_path / "none").exists()
