"""What one connection may cost before the application sees a request. uvicorn itself waits for
request heads for ever, reads chunks of a byte each, and takes connections until no file opens.
"""

import asyncio
import resource
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 10.0
"""Seconds from a connection, or the first byte of a later request, to the end of its head."""
CHUNKS = 1000
CHUNK_BYTES = 512
"""A request of more than so many chunks needs so many bytes in each, on average."""
_HANDLES = 65536
"""Open files and connections that are enough; more only cost memory."""


class Connection(H11Protocol):
    """HTTP/1.1 that closes connections which cost more than they bring.

    - One whose request head does not get finished in time, or whose body does not after its
      request was answered.
    - One that sends its body in tiny chunks: h11 reads 0.3 MB of them a second, and nobody else is
      served meanwhile.
    - When there are `most` already, the one that has waited longest for a head.

    Attributes:
        most: connections at the same time.
    """

    most = 512
    _waiting: "dict[Connection, asyncio.TimerHandle]" = {}  # noqa: RUF012 - shared on purpose

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.conn = _Frugal(h11.SERVER, self.conn._max_incomplete_event_size)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begins to wait for the first head."""
        super().connection_made(transport)
        self._wait()
        if len(self.connections) > self.most:
            longest = next(iter(self._waiting))
            longest._wait_no_more()
            longest.transport.close()

    def data_received(self, data: bytes) -> None:
        """Goes on waiting while the head is not there, or the rest of a body that nobody reads."""
        super().data_received(data)
        if self.conn.their_state is h11.IDLE or self.conn.our_state is h11.DONE:
            self._wait()
        else:
            self._wait_no_more()

    def connection_lost(self, exc: Exception | None) -> None:
        """Waits no more."""
        self._wait_no_more()
        super().connection_lost(exc)

    def _wait(self) -> None:
        if self not in self._waiting:
            self._waiting[self] = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _wait_no_more(self) -> None:
        if (giving_up := self._waiting.pop(self, None)) is not None:
            giving_up.cancel()


class _Frugal(h11.Connection):
    """Takes no body that is nearly all frame."""

    _chunks = _bytes = 0

    def next_event(self) -> Any:
        event = super().next_event()
        if isinstance(event, h11.Request):
            self._chunks = self._bytes = 0
        elif isinstance(event, h11.Data):
            whole = self._chunks  # the last may be on its way
            self._chunks, self._bytes = whole + event.chunk_start, self._bytes + len(event.data)
            if whole >= CHUNKS and self._bytes < CHUNK_BYTES * whole:
                raise h11.RemoteProtocolError("the chunks of the body are too small")
        return event


def allow_connections() -> int:
    """Allows this process as many open files as it may have; half of them for connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = _HANDLES if hard == resource.RLIM_INFINITY else min(hard, _HANDLES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, allowed), hard))
    return max(soft, allowed) // 2
