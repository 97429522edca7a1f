"""The one connection of one attempt: its peer is checked, and it is cut when its time is over."""

import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from types import TracebackType
from typing import Protocol, Self, cast

import httpx2


class Stream(Protocol):
    """What the client's trace hands over once it is connected, and again once TLS is up."""

    def get_extra_info(self, info: str) -> object: ...

    def close(self) -> None: ...


class Connection:
    """Watches one request through the client's trace.

    `require` sees the peer's address after the connect and before any byte is sent, so that a name which resolves to
    another address the second time (DNS rebinding) gains nothing. The deadline spans all that comes after: a timeout of
    the client counts from the last byte received, and a receiver that drips would hold the outbox for hours.
    """

    def __init__(self, require: Callable[[str], None], *, deadline: timedelta) -> None:
        self.expired = False
        self._require = require
        self._socket: socket.socket | None = None
        self._timer = threading.Timer(deadline / timedelta(seconds=1), self._expire)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._timer.cancel()

    def trace(self, event: str, info: Mapping[str, object]) -> None:
        """Called by the client at each step of the request."""
        if event not in {"connection.connect_tcp.complete", "connection.start_tls.complete"}:
            return
        stream = cast(Stream, info["return_value"])
        try:
            self._watch(stream)
        except BaseException:
            stream.close()  # the client does not own it yet
            raise

    def _watch(self, stream: Stream) -> None:
        try:
            peer = cast(tuple[str, int], stream.get_extra_info("server_addr"))
        except OSError as error:  # gone as soon as it was there, as behind a proxy whose backend is down
            raise httpx2.ConnectError(str(error)) from error
        self._require(peer[0])
        self._socket = cast(socket.socket, stream.get_extra_info("socket"))
        if self.expired:
            raise httpx2.ConnectTimeout("the deadline passed while connecting")

    def _expire(self) -> None:
        self.expired = True
        if self._socket is not None:
            # Of the plain socket class: SSLSocket's own shutdown would drop the TLS state under the reading thread.
            with suppress(OSError):
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
