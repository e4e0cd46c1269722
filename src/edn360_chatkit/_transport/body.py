"""The body of an answer, unpacked as it comes and stopped where it grows too large."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress

import anyio
import httpx

from .bounds import Bound

ACCEPTED_ENCODING = "gzip"
"""The one content encoding that is asked for, and so the one that has to be unpacked."""
AT_ONCE = 65536
"""How many bytes are unpacked at once."""


class TooLargeError(Exception):
    """A body, or one event of a stream, is larger than the limit."""


class Body:
    """A body that is coming in.

    httpx unpacks whatever a packet holds in one go, and a packet can hold gigabytes. Only an answer
    that a transport gives whole, as those for tests do, is unpacked by httpx.

    Attributes:
        bound: The time that reading on may take.
        marked: Whether its end can be told from a connection that broke.
    """

    def __init__(self, response: httpx.Response, limit: int, bound: Bound) -> None:
        """Begin to read a body.

        Args:
            response: Where it comes from, not read yet.
            limit: How many unpacked bytes there may be until :meth:`begin_again`.
            bound: The time that reading it may take.
        """
        self.bound = bound
        self._response = response
        self._limit = limit
        self._size = 0
        self._begun = False
        self._packets: AsyncIterator[bytes] | None = None
        self._coding = str(response.headers.get("content-encoding", "")).strip().lower()
        self._packed = self._coding not in ("", "identity")
        # RFC 9112, section 6.3: without either of the two, the body ends where the connection does.
        framed = response.headers.keys() & {"content-length", "transfer-encoding"}
        # What says no version came over no wire.
        wire = bytes(response.extensions.get("http_version", b""))
        self.marked = bool(framed) or not wire.startswith(b"HTTP/1")
        self._gzip = zlib.decompressobj(16 + zlib.MAX_WBITS)

    def begin_again(self) -> None:
        """Count from here: an event is complete."""
        self._size = 0

    def chunks(self) -> Iterator[bytes]:
        """The body, piece by piece.

        Raises:
            TooLargeError: It is larger than the limit.
            httpx.HTTPError: It broke, or is not what its headers say.
        """
        if self._response.is_stream_consumed:
            yield self._counted(self._response.content)
            return
        packets = self._response.iter_raw()
        while True:
            with self.bound.on_this_thread():
                raw = next(packets, None)
            if raw is None:
                break
            yield from self._unpack(raw)
        self._end()

    async def achunks(self) -> AsyncIterator[bytes]:
        """:meth:`chunks` of an async response."""
        if self._response.is_stream_consumed:
            yield self._counted(self._response.content)
            return
        self._packets = self._response.aiter_raw()
        while True:
            with self.bound.on_this_task():
                raw = await anext(self._packets, None)
            if raw is None:
                break
            for piece in self._unpack(raw):
                yield piece
        self._end()

    async def aclose(self) -> None:
        """Hang up an async response, even where the task that does it is being cancelled."""
        with anyio.CancelScope(shield=True):
            await self._response.aclose()
            # The generators of httpx that read it still stand at their yields, and trio warns of
            # each that is thrown away like that. Read on: the closed connection ends them all.
            if self._packets is not None:
                with suppress(Exception):
                    async for _ in self._packets:
                        pass

    def _unpack(self, raw: bytes) -> Iterator[bytes]:
        self._begun = True
        if not self._packed:
            yield self._counted(raw)
            return
        if self._coding not in ("gzip", "x-gzip"):
            raise httpx.DecodingError("a content encoding that was not asked for")
        full = True
        # What is left of the packet, and then what zlib still holds of it.
        while (raw or full) and not self._gzip.eof:
            try:
                piece = self._gzip.decompress(raw, AT_ONCE)
            except zlib.error as error:
                raise httpx.DecodingError("no gzip, although it says so") from error
            raw, full = self._gzip.unconsumed_tail, len(piece) == AT_ONCE
            yield self._counted(piece)

    def _end(self) -> None:
        if self._packed and self._begun and not self._gzip.eof:
            raise httpx.DecodingError("the packed body stops in the middle")

    def _counted(self, piece: bytes) -> bytes:
        self._size += len(piece)
        if self._size > self._limit:
            raise TooLargeError
        return piece
