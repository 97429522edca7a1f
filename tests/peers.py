"""Real peers for tests: Alertmanager and Prometheus on free ports of the loopback, and an HTTP server that listens."""

import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx2
import pytest


def find_or_skip(binary: str, package: str) -> str:
    """The path of `binary`; without it the test is skipped, or fails where CI is "true"."""
    if path := shutil.which(binary):
        return path
    text = f"{binary} is missing: apt-get install {package}"
    if os.environ.get("CI") == "true":
        pytest.fail(text)
    pytest.skip(text)


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def until(true: Callable[[], bool], *, within: float = 10) -> bool:
    """Whether `true` came true in time."""
    deadline = time.monotonic() + within
    while not (done := true()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return done


def resolve_to(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> None:
    """From now on, each lookup of any name gives the next answer, and the last one for ever."""
    rest = list(answers)

    def getaddrinfo(host: str, port: int, *_: object, **__: object) -> list[object]:
        addresses = rest.pop(0) if len(rest) > 1 else rest[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


@contextmanager
def running(command: list[str], url: str, directory: Path) -> Iterator[str]:
    """`command` while it runs, once {url}/-/ready answers 200.

    Its output and its process id are in the files `log` and `pid` in `directory`.
    """
    log = directory / "log"
    with log.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT) as process:
        (directory / "pid").write_text(str(process.pid))

        def ready() -> bool:
            # Asked first: an older instance on the same port would answer for a process that has died.
            if (code := process.poll()) is not None:
                pytest.fail(f"{command[0]} ended with {code}:\n{log.read_text()}")
            try:
                return httpx2.get(f"{url}/-/ready", timeout=1, trust_env=False).status_code == 200
            except httpx2.TransportError:
                return False

        try:
            assert until(ready, within=20), f"{command[0]} is not ready:\n{log.read_text()}"
            yield url
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


@contextmanager
def alertmanager(
    config: str, directory: Path, *arguments: str, port: int | None = None, cluster: str = ""
) -> Iterator[str]:
    """The address of a real Alertmanager that runs with `config`; as part of a cluster, it listens for it there."""
    binary = find_or_skip("prometheus-alertmanager", "prometheus-alertmanager")
    (directory / "alertmanager.yml").write_text(config)
    address = f"127.0.0.1:{port or free_port()}"
    command = [
        binary,
        f"--config.file={directory / 'alertmanager.yml'}",
        f"--storage.path={directory / 'data'}",
        f"--web.listen-address={address}",
        f"--cluster.listen-address={cluster}",
        *arguments,
    ]
    with running(command, f"http://{address}", directory) as url:
        yield url


@contextmanager
def prometheus(config: str, directory: Path, *arguments: str) -> Iterator[str]:
    """The address of a real Prometheus that runs with `config`; its first scrape may come 5 s late."""
    binary = find_or_skip("prometheus", "prometheus")
    (directory / "prometheus.yml").write_text(config)
    address = f"127.0.0.1:{free_port()}"
    command = [
        binary,
        f"--config.file={directory / 'prometheus.yml'}",
        f"--storage.tsdb.path={directory / 'data'}",
        f"--web.listen-address={address}",
        *arguments,
    ]
    with running(command, f"http://{address}", directory) as url:
        yield url


@dataclass(frozen=True)
class Received:
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Reply:
    """What a receiver answers; with `drip`, a byte every so many seconds."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    drip: float = 0

    @property
    def raw(self) -> bytes:
        headers = {"content-length": str(len(self.body)), "connection": "close", **self.headers}
        lines = [f"HTTP/1.1 {self.status} x", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        return "\r\n".join(lines).encode() + self.body


class Receiver:
    """An HTTP server on the loopback that keeps every request and answers as told; `reply` may be changed any time."""

    def __init__(self, reply: Callable[[Received], Reply] = lambda _: Reply(), tls: ssl.SSLContext | None = None):
        self.reply = reply
        self.received: list[Received] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = False  # so that closing waits for all of them
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.port = int(self._server.server_address[1])
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def __enter__(self) -> "Receiver":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(receiver) -> type[BaseHTTPRequestHandler]:  # noqa: N805
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                request = Received(self.path, dict(self.headers.items()), body)
                reply = receiver.reply(request)
                receiver.received.append(request)
                try:
                    self._write(reply)
                except OSError:  # whoever asked has hung up
                    self.close_connection = True

            def _write(self, reply: Reply) -> None:
                if not reply.drip:
                    self.wfile.write(reply.raw)
                    return
                for byte in reply.raw:
                    self.wfile.write(bytes([byte]))
                    time.sleep(reply.drip)

            do_GET = do_POST  # noqa: N815

            def log_message(self, *_: object) -> None: ...

        return Handler
