"""The embedded Postgres on the real binaries; `test_cluster.py` has what concerns users and folders."""

import contextlib
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from drift.store.cluster import service_account
from drift.store.embedded import FAST_FOR_TESTS, EmbeddedPostgres, Status

START = """
import sys
from pathlib import Path
from drift.store.embedded import FAST_FOR_TESTS, EmbeddedPostgres
postgres = EmbeddedPostgres(Path(sys.argv[1]), FAST_FOR_TESTS)
postgres.start()
print(postgres.status(), flush=True)
"""


@contextlib.contextmanager
def open_folder() -> Iterator[Path]:
    """A temporary folder that the service user may enter, unlike pytest's own."""
    made = Path(tempfile.mkdtemp(prefix="drift-test-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture
def folder() -> Iterator[Path]:
    with open_folder() as made:
        yield made


@pytest.fixture(scope="module")
def shared() -> Iterator[EmbeddedPostgres]:
    """One server for all tests that need not see a first start: initdb takes longer than they do."""
    with open_folder() as made:
        yield (server := EmbeddedPostgres(made / "postgres", FAST_FOR_TESTS))
        server.stop()


@pytest.fixture
def postgres(shared: EmbeddedPostgres) -> EmbeddedPostgres:
    """A server that does not run."""
    shared.stop()
    return shared


@pytest.fixture
def running(shared: EmbeddedPostgres) -> EmbeddedPostgres:
    """A server that runs."""
    shared.start()
    return shared


def connect(postgres: EmbeddedPostgres) -> psycopg.Connection:
    return psycopg.connect(host=str(postgres.socket), port=5432, user="drift", dbname="drift", autocommit=True)


def one(postgres: EmbeddedPostgres, query: str) -> object:
    with connect(postgres) as conn:
        return conn.execute(query).fetchone()[0]


def current_database(postgres: EmbeddedPostgres) -> object:
    """What SQLAlchemy finds at the URL."""
    with sa.create_engine(postgres.url(), poolclass=sa.NullPool).connect() as conn:
        return conn.execute(sa.text("SELECT current_database()")).scalar_one()


def kill(postgres: EmbeddedPostgres) -> None:
    """Kill the postmaster alone, and return when it no longer answers."""
    os.kill(int((postgres.root / "data" / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
    while postgres.status() is Status.RUNNING:
        time.sleep(0.01)


def test_data_outlives_a_restart(postgres):
    assert postgres.status() is Status.STOPPED
    postgres.start()
    with connect(postgres) as conn:
        conn.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    postgres.stop()
    assert postgres.status() is Status.STOPPED
    postgres.start()
    assert one(postgres, "SELECT answer FROM kept") == 42


def test_start_leaves_a_running_server_alone(running):
    since = one(running, "SELECT pg_postmaster_start_time()::text")
    running.start()
    assert one(running, "SELECT pg_postmaster_start_time()::text") == since
    assert running.status() is Status.RUNNING


def test_nobody_else_gets_to_it(running):
    assert stat.S_IMODE(running.socket.stat().st_mode) == 0o700
    assert stat.S_IMODE((running.root / "data").stat().st_mode) == 0o700
    assert one(running, "SHOW listen_addresses") == ""


def test_the_reader_may_select_and_nothing_else(running):
    with connect(running) as conn:
        conn.execute("CREATE TABLE seen AS SELECT 1 AS n")
    reader = sa.create_engine(running.reader_url, poolclass=sa.NullPool)
    with reader.connect() as conn:
        assert conn.execute(sa.text("SELECT n FROM seen")).scalar_one() == 1
    for change in ("INSERT INTO seen VALUES (2)", "DELETE FROM seen", "CREATE TABLE mine (n int)"):
        with reader.connect() as conn, pytest.raises(sa.exc.ProgrammingError, match="permission denied"):
            conn.execute(sa.text(change))


def test_the_owner_is_no_superuser_and_may_create_databases(running):
    query = "SELECT rolsuper::text || rolcreatedb::text FROM pg_roles WHERE rolname = current_user"
    assert one(running, query) == "falsetrue"


def test_the_callers_environment_is_not_believed(running, monkeypatch):
    monkeypatch.setenv("PGPORT", "6543")
    monkeypatch.setenv("PGHOST", "nowhere.invalid")
    assert running.status() is Status.RUNNING
    assert current_database(running) == "drift"


def test_an_odd_and_long_path_will_do(folder):
    postgres = EmbeddedPostgres(folder / ('it\'s $HOME, "odd" and long' + 100 * "x"), FAST_FOR_TESTS)
    try:
        postgres.start()
        assert current_database(postgres) == "drift"
        assert stat.S_IMODE(postgres.socket.stat().st_mode) == 0o700
    finally:
        postgres.stop()
        shutil.rmtree(postgres.socket, ignore_errors=True)


def test_a_killed_server_loses_no_acknowledged_commit(postgres):
    postgres.start()
    acknowledged: list[int] = []
    with connect(postgres) as conn:
        conn.execute("CREATE TABLE rows (n int)")

    def write() -> None:
        with contextlib.suppress(psycopg.OperationalError), connect(postgres) as conn:
            while True:
                conn.execute("INSERT INTO rows VALUES (%s)", (len(acknowledged),))
                acknowledged.append(len(acknowledged))

    writer = threading.Thread(target=write)
    writer.start()
    while len(acknowledged) < 300:
        time.sleep(0.01)
    kill(postgres)
    postgres.start()
    writer.join()
    with connect(postgres) as conn:
        assert {n for (n,) in conn.execute("SELECT n FROM rows")} >= set(acknowledged)


@pytest.mark.parametrize(
    ("act", "outcome"), [(EmbeddedPostgres.start, Status.RUNNING), (EmbeddedPostgres.stop, Status.STOPPED)]
)
def test_start_and_stop_wait_for_the_backends_of_a_killed_server(postgres, act, outcome):
    postgres.start()

    def work() -> None:
        # Computes without ever waiting, so that it does not notice the death of the postmaster.
        with contextlib.suppress(psycopg.OperationalError):
            one(postgres, "SELECT count(*) FROM generate_series(1, 8000000)")

    worker = threading.Thread(target=work)
    worker.start()
    while one(postgres, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%generate_series(1, 8%'") != 2:
        time.sleep(0.01)
    kill(postgres)
    assert postgres.status() is Status.BUSY
    act(postgres)
    assert postgres.status() is outcome
    worker.join()


def test_a_recorded_pid_that_is_a_strangers_now_hinders_nothing(postgres):
    postgres.start()
    kill(postgres)
    service = service_account(None).pw_uid if os.geteuid() == 0 else None
    with subprocess.Popen(["/bin/sleep", "60"], user=service) as stranger:
        stale = postgres.root / "data" / "postmaster.pid"
        stale.write_text("\n".join([str(stranger.pid), *stale.read_text().split("\n")[1:]]))
        try:
            postgres.stop()
            assert postgres.status() is Status.STOPPED
            assert stranger.poll() is None
            postgres.start()
            assert one(postgres, "SELECT 1") == 1
        finally:
            stranger.kill()


def test_a_pid_file_emptied_by_a_power_cut_hinders_nothing(postgres):
    postgres.start()
    kill(postgres)
    (postgres.root / "data" / "postmaster.pid").write_text("")
    postgres.start()
    assert one(postgres, "SELECT 1") == 1


def test_four_first_starts_at_once_make_one_server(folder):
    postgres = EmbeddedPostgres(folder / "with space", FAST_FOR_TESTS)
    command = [sys.executable, "-c", START, postgres.root]
    starters = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    try:
        assert [starter.communicate() for starter in starters] == [("running\n", None)] * 4
        assert (postgres.root / "data" / "server.log").read_text().count("starting PostgreSQL") == 1
        assert current_database(postgres) == "drift"
    finally:
        postgres.stop()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_the_server_outlives_its_starter_and_another_process_stops_it(postgres, how):
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", START + "sys.stdin.read()", postgres.root]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, process_group=0) as starter:
        assert starter.stdout.readline() == b"running\n"
        os.killpg(starter.pid, how)
    assert one(postgres, "SELECT 1") == 1
    postgres.stop()
    assert postgres.status() is Status.STOPPED
    assert not (postgres.root / "data" / "postmaster.pid").exists()
