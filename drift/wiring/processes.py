"""Processes beside this one, which end when it ends."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TextIO

from drift.errors import DriftError

LOOK_SECONDS: Final = 0.5


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


@dataclass(frozen=True, slots=True)
class Done:
    """How a process has ended, and what it said."""

    status: int
    output: str
    error: str


def run_to_end(
    name: str, words: Sequence[str], folder: Path, go_on: Callable[[], None], *, most_seconds: float
) -> Done:
    """Run `words`, the path of a program and its words, until it ends; its output passes through files in `folder`.

    `go_on` is asked all the while, and what it raises ends the process. One that takes longer than `most_seconds` is
    ended too, with a status of -1. On Linux it also ends with this process, however that ends.
    """
    output, error = folder / "output", folder / "error"
    until = time.monotonic() + most_seconds
    command = [sys.executable, "-m", "drift.wiring.child", *words]
    with output.open("wb") as out, error.open("wb") as err:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        try:
            while True:
                go_on()
                try:
                    status = process.wait(LOOK_SECONDS)
                except subprocess.TimeoutExpired:
                    if time.monotonic() < until:
                        continue
                    return Done(-1, "", f"{name} has not ended within {most_seconds:.0f} s")
                texts = (path.read_text(encoding="utf-8", errors="replace") for path in (output, error))
                return Done(status, *texts)
        finally:
            if process.poll() is None:
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
