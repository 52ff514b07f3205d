"""Connections that can be cut from outside, so that no server holds a thread for longer than it is given.

botocore's time-outs are for one step on a socket: a server that sends a byte now and then is never late. Here each call
knows the sockets it uses, and `Wire.cut` shuts them, at which the call ends in its thread.
"""

from __future__ import annotations

import concurrent.futures
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from botocore.awsrequest import (
    AWSHTTPConnection,
    AWSHTTPConnectionPool,
    AWSHTTPSConnection,
    AWSHTTPSConnectionPool,
)

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_here = threading.local()


class Cut(concurrent.futures.CancelledError):
    """The one exception that botocore neither wraps nor answers with another try."""


class Wire:
    """What one call talks over."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self.is_cut = False

    def cut(self) -> None:
        """Ends the call; from any thread, and never waiting."""
        with self._lock:
            self.is_cut = True
            for one in self._sockets:
                with suppress(OSError):  # a TLS socket's own shutdown would touch what its reader is using
                    socket.socket.shutdown(one, socket.SHUT_RDWR)

    def use(self, one: socket.socket | None) -> None:
        """Raises Cut when it is."""
        with self._lock:
            if self.is_cut:
                raise Cut
            if one is not None and one not in self._sockets:
                self._sockets.append(one)

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """What this thread does inside goes over this wire."""
        _here.wire = self
        try:
            yield
        finally:
            _here.wire = None
            with self._lock:
                self._sockets.clear()


def _use(one: socket.socket | None) -> None:
    wire: Wire | None = getattr(_here, "wire", None)
    if wire is not None:
        wire.use(one)


class _Http(AWSHTTPConnection):
    def connect(self) -> None:
        _use(None)
        super().connect()
        _use(self.sock)

    def request(self, *args: Any, **kwargs: Any) -> Any:
        _use(self.sock)
        return super().request(*args, **kwargs)


class _Https(AWSHTTPSConnection):
    def connect(self) -> None:
        _use(None)
        super().connect()
        _use(self.sock)

    def request(self, *args: Any, **kwargs: Any) -> Any:
        _use(self.sock)
        return super().request(*args, **kwargs)


class _HttpPool(AWSHTTPConnectionPool):
    ConnectionCls = _Http


class _HttpsPool(AWSHTTPSConnectionPool):
    ConnectionCls = _Https


def make_cuttable(client: S3Client) -> None:
    """botocore offers no door for connections of one's own; tests hold that this one is still there."""
    manager = client._endpoint.http_session._manager  # type: ignore[attr-defined]
    manager.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}
