"""One page that every site may have at a fixed path, fetched once a day and host."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Final, Generic, TypeVar

from yfcc.media.address import Address, HostRules, Origin, UnusableUrl, follow
from yfcc.media.answer import content_length
from yfcc.media.attempt import BrokenAnswerError, ConnectError, ErrorKind, PeerRefusedError
from yfcc.media.body import is_encoded, iter_decoded
from yfcc.media.client import Client, Reply
from yfcc.media.clock import Clock
from yfcc.media.gate import HostGate
from yfcc.media.httpdate import parse_date
from yfcc.media.politeness import (
    ANSWERED,
    BROKEN,
    MISLED,
    UNCONNECTED,
    Event,
    Throttled,
    parse_retry_after,
)
from yfcc.media.robots import MAX_ROBOTS_BYTES

#: RFC 9309, 2.4: not longer without asking again.
_FRESH_S: Final = 24 * 3600.0

#: How long a page that cannot be had is not asked for again.
_UNREACHABLE_S: Final = 300.0

_MAX_HOPS: Final = 5
_REDIRECTS: Final = frozenset((301, 302, 303, 307, 308))

#: What a site that has no such page is taken to have.
_NOTHING: Final = b""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PageReader:
    """How pages are asked for.

    Attributes
    ----------
    client : Client
    rules : HostRules
        Where redirects may lead.
    clock : Clock
    timeout_s : float
        For one page.
    """

    client: Client
    rules: HostRules
    clock: Clock
    timeout_s: float = 60.0

    def read(self, address: Address, gate: HostGate) -> bytes | None:
        """The page; nothing for a site without one, None if that cannot be found out.

        Raises
        ------
        ConnectError, PeerRefusedError
            There is no connection, or one that may not be.
        """
        origin = address.origin
        deadline_s = self.clock.monotonic() + self.timeout_s
        try:
            for _ in range(_MAX_HOPS + 1):
                step = self._step(address, gate, deadline_s)
                if not isinstance(step, Address):
                    return step
                address = step
        except PeerRefusedError:
            if address.origin == origin:
                raise  # the host itself may not be asked, whatever its rules
            return None
        except (BrokenAnswerError, UnusableUrl):
            return None
        return _NOTHING  # RFC 9309, 2.3.1.2: after five redirects, as if there were none

    def _step(self, address: Address, gate: HostGate, deadline_s: float) -> Address | bytes | None:
        started_s = gate.enter()
        event: Event = BROKEN
        try:
            reply = self.client.get(address, deadline_s)
            event = self._event_of(reply)
            return self._read(reply, address)
        except PeerRefusedError:
            event = MISLED
            raise
        except ConnectError:
            event = BROKEN if self.client.is_alone(address.origin, gate) else UNCONNECTED
            raise
        finally:
            gate.leave(event, started_s)

    def _event_of(self, reply: Reply) -> Event:
        if reply.status not in {429, 503}:
            return ANSWERED
        date = parse_date(reply.headers.first("date") or "") or self.clock.now_utc()
        return Throttled(parse_retry_after(reply.headers.first("retry-after"), date))

    def _read(self, reply: Reply, address: Address) -> Address | bytes | None:
        location = reply.headers.first("location")
        if reply.status in _REDIRECTS and location is not None:
            reply.discard()
            target = follow(address, location)
            self.rules.check(target.origin)
            return target
        if reply.status == 200:
            try:
                return _read_content(reply)
            finally:
                reply.close()
        reply.discard()
        # 4xx: there is none. 429 is the exception: the host only wants to be left alone.
        return _NOTHING if 400 <= reply.status < 500 and reply.status != 429 else None


def _read_content(reply: Reply) -> bytes:
    """The page as far as it is read; one that broke off might lack the rule that matters."""
    length = content_length(reply.headers)
    content = bytes(reply.read(MAX_ROBOTS_BYTES))
    if length is not None and len(content) < min(length, MAX_ROBOTS_BYTES):
        raise BrokenAnswerError(ErrorKind.CUT, f"{len(content)} bytes of {length} came")
    if not is_encoded(reply.headers):
        return content
    decoded = bytearray()
    for piece in iter_decoded([content]):
        decoded += piece
        if len(decoded) >= MAX_ROBOTS_BYTES:
            break
    return bytes(decoded[:MAX_ROBOTS_BYTES])


class SitePages(Generic[T]):
    """What the pages at one path say, by origin; shared by all threads.

    Parameters
    ----------
    reader : PageReader
    path : str
        The same at every site.
    parse : callable
        From a page's bytes to what it says; nothing may be an error.
    n_tries : int
        Times to ask, with pauses between, for one that cannot be had.
    """

    def __init__(
        self, reader: PageReader, path: str, parse: Callable[[bytes], T], n_tries: int = 1
    ) -> None:
        self._reader = reader
        self._path = path
        self._parse = parse
        self._n_tries = n_tries
        self._pages: dict[Origin, tuple[T | None, float]] = {}
        self._locks: dict[Origin, Lock] = {}

    def of(self, origin: Origin, gate: HostGate) -> T | None:
        """What a site's page says, fetched if not known or a day old; None if it cannot be had.

        One that was had before holds on then (RFC 9309, 2.4).

        Raises
        ------
        ConnectError, PeerRefusedError
            There is no connection, or one that may not be; nothing is remembered.
        """
        clock = self._reader.clock
        page = self._pages.get(origin)
        if page is None or page[1] < clock.monotonic():
            with self._locks.setdefault(origin, Lock()):
                page = self._pages.get(origin)
                if page is None or page[1] < clock.monotonic():
                    content = self._read(Address(origin, self._path), gate)
                    found, lasts_s = page[0] if page else None, _UNREACHABLE_S
                    if content is not None:
                        found, lasts_s = self._parse(content), _FRESH_S
                    page = self._pages[origin] = found, clock.monotonic() + lasts_s
        return page[0]

    def _read(self, address: Address, gate: HostGate) -> bytes | None:
        for n_before in range(self._n_tries):
            if n_before:
                gate.back_off(n_before - 1)
            content = self._reader.read(address, gate)
            if content is not None:
                return content
        return None
