"""The robots.txt of every host asked, fetched once a day."""

from __future__ import annotations

from threading import Lock
from typing import Final

from yfcc.media.address import Address, HostRules, Origin, UnusableUrl, follow
from yfcc.media.attempt import BrokenAnswerError, ConnectError, ErrorKind, PeerRefusedError
from yfcc.media.body import content_length
from yfcc.media.client import Client, Reply
from yfcc.media.clock import Clock
from yfcc.media.gate import HostGate
from yfcc.media.politeness import ANSWERED, BROKEN, UNCONNECTED, Event, Throttled
from yfcc.media.rights import PRODUCT
from yfcc.media.robots import ALLOW_ALL, MAX_ROBOTS_BYTES, RobotsRules, parse_robots

#: RFC 9309, 2.4: not longer without asking again.
_FRESH_S: Final = 24 * 3600.0

#: How long a host whose robots.txt cannot be had is left alone.
_UNREACHABLE_S: Final = 300.0

_MAX_HOPS: Final = 5
_REDIRECTS: Final = frozenset((301, 302, 303, 307, 308))


class RobotsUnreachableError(Exception):
    """The rules of a host cannot be had now, so nothing there may be asked."""


class RobotsBook:
    """Rules by origin, shared by all threads.

    Parameters
    ----------
    client : Client
    rules : HostRules
        Where redirects may lead.
    clock : Clock
    timeout_s : float
        For one robots.txt.
    """

    def __init__(
        self, client: Client, rules: HostRules, clock: Clock, timeout_s: float = 60.0
    ) -> None:
        self._client = client
        self._rules = rules
        self._clock = clock
        self._timeout_s = timeout_s
        self._pages: dict[Origin, tuple[RobotsRules | None, float]] = {}
        self._locks: dict[Origin, Lock] = {}

    def rules_of(self, origin: Origin, gate: HostGate) -> RobotsRules:
        """The rules of a host, fetched if they are not known or a day old.

        Raises
        ------
        RobotsUnreachableError
            They cannot be had (RFC 9309, 2.3.1.4: then nothing may be fetched).
        ConnectError, PeerRefusedError
            There is no connection, or one that may not be; nothing is remembered.
        """
        page = self._pages.get(origin)
        if page is None or page[1] < self._clock.monotonic():
            with self._locks.setdefault(origin, Lock()):
                page = self._pages.get(origin)
                if page is None or page[1] < self._clock.monotonic():
                    found = self._fetch(origin, gate)
                    lasts_s = _UNREACHABLE_S if found is None else _FRESH_S
                    page = self._pages[origin] = found, self._clock.monotonic() + lasts_s
        if page[0] is None:
            raise RobotsUnreachableError(f"{origin}/robots.txt cannot be had")
        return page[0]

    def _fetch(self, origin: Origin, gate: HostGate) -> RobotsRules | None:
        address = Address(origin, "/robots.txt")
        deadline_s = self._clock.monotonic() + self._timeout_s
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
        return ALLOW_ALL  # RFC 9309, 2.3.1.2: after five redirects, as if there were none

    def _step(
        self, address: Address, gate: HostGate, deadline_s: float
    ) -> Address | RobotsRules | None:
        started_s = gate.enter()
        event: Event = BROKEN
        try:
            reply = self._client.get(address, deadline_s)
            event = Throttled(None) if reply.status in {429, 503} else ANSWERED
            return self._read(reply, address)
        except ConnectError:
            event = BROKEN if self._client.is_alone(address.origin, gate) else UNCONNECTED
            raise
        finally:
            gate.leave(event, started_s)

    def _read(self, reply: Reply, address: Address) -> Address | RobotsRules | None:
        location = reply.headers.first("location")
        if reply.status in _REDIRECTS and location is not None:
            reply.discard()
            target = follow(address, location)
            self._rules.check(target.origin)
            return target
        if reply.status == 200:
            try:
                content = _read_content(reply)
            finally:
                reply.close()
            return parse_robots(content, PRODUCT)
        reply.discard()
        # 4xx: there is none. 429 is the exception: the host only wants to be left alone.
        return ALLOW_ALL if 400 <= reply.status < 500 and reply.status != 429 else None


def _read_content(reply: Reply) -> bytes:
    """The page as far as it is read; one that broke off might lack the rule that matters."""
    length = content_length(reply.headers)
    content = reply.read(MAX_ROBOTS_BYTES)
    if length is not None and len(content) < min(length, MAX_ROBOTS_BYTES):
        raise BrokenAnswerError(ErrorKind.CUT, f"{len(content)} bytes of {length} came")
    return content
