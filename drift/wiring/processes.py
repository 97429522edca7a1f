"""Processes beside this one, which end when it ends."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from drift.errors import DriftError


@contextmanager
def beside(command: Sequence[str], environment: Mapping[str, str], *, cwd: Path, log: TextIO | None) -> Iterator[None]:
    """Run `command`, the path of a program and its words, until the block ends.

    Its output goes to `log`, by default to the terminal.
    It has a session of its own, so that Ctrl-C reaches it through us alone. On Linux it also ends when we are killed.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "drift.wiring.child", *command],
        env={**os.environ, **environment},
        cwd=cwd,
        stdout=log,
        stderr=log,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def require_free(host: str, ports: Mapping[str, int]) -> None:
    """Raise DriftError where one of `ports`, by the variable that sets it, is taken."""
    for variable, port in ports.items():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                raise DriftError(
                    f"port {port} on {host} is taken: stop what listens there, or set {variable} to another"
                ) from None
