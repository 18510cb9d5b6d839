"""Whether the page of an item is still there, asked as politely as media are."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from threading import Event as StopEvent
from typing import Final

from yfcc.media.acquire import plan_policy
from yfcc.media.address import Address, UnusableUrl, follow, parse_url
from yfcc.media.attempt import BrokenAnswerError, ConnectError, PeerRefusedError
from yfcc.media.client import Client, Reply
from yfcc.media.clock import Clock, SystemClock
from yfcc.media.gate import HostGate
from yfcc.media.httpdate import parse_date
from yfcc.media.locate import plan_host_rules, plan_places
from yfcc.media.politeness import (
    ANSWERED,
    BROKEN,
    FORBIDDEN,
    UNCONNECTED,
    Event,
    Throttled,
    parse_retry_after,
)
from yfcc.media.robots_book import RobotsBook, RobotsUnreachableError
from yfcc.media.settings import FetchSettings
from yfcc.media.shared_rate import SharedRate

_MAX_HOPS: Final = 5
_REDIRECTS: Final = frozenset((301, 302, 303, 307, 308))
_GONE: Final = frozenset((404, 410))
#: Statuses that say something of the host just now, not of the page.
_LATER: Final = frozenset((408, 425, 429, 500, 502, 503, 504))


class PageFate(StrEnum):
    """What a page's answer means."""

    PUBLIC = "public"
    GONE = "gone"
    NOT_ALLOWED = "not allowed"
    NO_PAGE = "no page"
    UNCLEAR = "unclear"

    @property
    def is_settled(self) -> bool:
        """Whether asking again says nothing new."""
        return self is not PageFate.UNCLEAR


@dataclass(frozen=True, slots=True)
class PageAnswer:
    """What became of asking for a page.

    Attributes
    ----------
    fate : PageFate
        ``unclear``: nothing was found out that lasts.
    status : int or None
        Of the last answer.
    error : str or None
        Why nothing was found out.
    """

    fate: PageFate
    status: int | None = None
    error: str | None = None


class PageAsker:
    """Asks for pages without reading them; shared by all threads.

    The rate of Flickr's media is that of its pages too, also between processes, and so are
    robots.txt, pauses, and the hosts that may be asked.

    Parameters
    ----------
    settings : FetchSettings
    clock : Clock, optional
    stop_event : threading.Event, optional
        Set when the run is asked to stop.
    """

    def __init__(
        self,
        settings: FetchSettings,
        clock: Clock | None = None,
        stop_event: StopEvent | None = None,
    ) -> None:
        self._settings = settings
        self._clock = clock or SystemClock()
        stop = stop_event or StopEvent()
        places = plan_places(settings)
        self._endpoint = places.flickr
        self._rules = plan_host_rules(settings, places)
        self._client = Client(settings, self._rules, self._clock, stop)
        self._robots = RobotsBook(self._client, self._rules, self._clock)
        host = "flickr" if places.flickr is None else str(places.flickr)
        shared = None
        if settings.rate_file is not None:
            shared = SharedRate(settings.rate_file, settings.flickr_rate, host, self._clock)
        policy = plan_policy(settings, settings.flickr_connections, settings.flickr_rate)
        name = places.flickr.host if places.flickr else "Flickr"
        self._gate = HostGate(name, policy, self._clock, stop, shared)

    def ask(self, url: str) -> PageAnswer:
        """Whether a page is public.

        Raises
        ------
        RateLimitedError, SourceUnreachable, SourceForbidden
            The host is not asked any more.
        InterruptedRun
            The run was asked to stop.
        TargetError
            The rate cannot be shared with other processes.
        """
        answer = PageAnswer(PageFate.UNCLEAR, error="not asked")
        for _ in range(self._settings.max_attempts):
            answer = self._try(url)
            if answer.fate is not PageFate.UNCLEAR:
                return answer
            if answer.status is not None and answer.status not in _LATER:
                return answer
        return answer

    def _try(self, url: str) -> PageAnswer:
        try:
            address = parse_url(url)
            if self._endpoint is not None:
                address = Address(self._endpoint, address.target)
            self._rules.check(address.origin)
            for _ in range(_MAX_HOPS + 1):
                rules = self._robots.rules_of(address.origin, self._gate)
                if not rules.allows(address.target):
                    return PageAnswer(PageFate.NOT_ALLOWED, error="robots.txt disallows the path")
                step = self._step(address)
                if isinstance(step, PageAnswer):
                    return step
                address = step
        except (UnusableUrl, PeerRefusedError) as error:
            return PageAnswer(PageFate.NOT_ALLOWED, error=str(error))
        except (ConnectError, BrokenAnswerError, RobotsUnreachableError) as error:
            return PageAnswer(PageFate.UNCLEAR, error=str(error))
        return PageAnswer(PageFate.UNCLEAR, error=f"more than {_MAX_HOPS} redirects")

    def _step(self, address: Address) -> PageAnswer | Address:
        started_s = self._gate.enter()
        event: Event = BROKEN
        try:
            deadline_s = self._clock.monotonic() + self._settings.read_timeout_s
            reply = self._client.get(address, deadline_s)
            try:
                event = self._event_of(reply)
                return self._judge(address, reply)
            finally:
                reply.close()  # its body is no business of ours
        except ConnectError:
            event = BROKEN if self._client.is_alone(address.origin, self._gate) else UNCONNECTED
            raise
        finally:
            self._gate.leave(event, started_s)

    def _event_of(self, reply: Reply) -> Event:
        if reply.status in {429, 503}:
            date = parse_date(reply.headers.first("date") or "") or self._clock.now_utc()
            return Throttled(parse_retry_after(reply.headers.first("retry-after"), date))
        return FORBIDDEN if reply.status == 403 else ANSWERED

    def _judge(self, address: Address, reply: Reply) -> PageAnswer | Address:
        if reply.status == 200:
            return PageAnswer(PageFate.PUBLIC, 200)
        if reply.status in _GONE:
            return PageAnswer(PageFate.GONE, reply.status)
        location = reply.headers.first("location")
        if reply.status in _REDIRECTS and location is not None:
            target = follow(address, location)
            self._rules.check(target.origin)
            return target
        return PageAnswer(PageFate.UNCLEAR, reply.status, f"status {reply.status}")

    def close(self) -> None:
        """Close all connections."""
        self._client.close()
