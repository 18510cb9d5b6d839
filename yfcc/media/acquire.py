"""One item from the network: every source in turn, with patience, to a final result."""

from __future__ import annotations

from dataclasses import replace
from threading import Event
from typing import Final

from yfcc.media.attempt import Attempt, ErrorKind, Retry
from yfcc.media.client import Client
from yfcc.media.clock import Clock, SystemClock
from yfcc.media.courtesy import HostNote
from yfcc.media.decode import Decoders
from yfcc.media.fetch import Fetcher
from yfcc.media.gate import HostGate, interrupted
from yfcc.media.locate import Candidate, Unusable, locate, plan_host_rules, plan_places
from yfcc.media.placeholder import RepeatedDigest
from yfcc.media.politeness import GatePolicy, GateState, Rate, backoff_s
from yfcc.media.robots_book import RobotsBook
from yfcc.media.settings import FetchSettings, Source
from yfcc.media.settle import Acquired, settle
from yfcc.media.shared_rate import SharedRate
from yfcc.media.sink import Sink
from yfcc.model import Item, Outcome

#: Pictures that many items share: more are not worth a line each.
_MAX_REPEATED: Final = 20

#: Nothing another source says could change these.
_ENOUGH: Final = frozenset((Outcome.STORED, Outcome.REFUSED))


def plan_policy(settings: FetchSettings, n_connections: int, rate: Rate | None) -> GatePolicy:
    """How patient to be with a source."""
    return GatePolicy(
        max_in_flight=n_connections,
        rate=rate,
        backoff_s=settings.backoff_s,
        backoff_cap_s=settings.backoff_cap_s,
        max_pause_s=settings.max_pause_s,
        max_connect_rounds=settings.max_connect_rounds,
        max_forbidden_run=settings.max_forbidden_run,
    )


def _jitter(photo_id: int) -> float:
    """Between 0.5 and 1.5, spread over items: those that failed together do not come together."""
    return 0.5 + photo_id * 2_654_435_761 % 2**32 / 2**32


class MediaClient:
    """Fetches and checks items; all threads of a run share one.

    Parameters
    ----------
    settings : FetchSettings
    clock : Clock
    stop_event : threading.Event
        Set when the run is asked to stop.

    Raises
    ------
    UsageError
        A setting cannot be used.
    TargetError
        The rate cannot be shared with other processes.
    """

    def __init__(
        self,
        settings: FetchSettings,
        clock: Clock | None = None,
        stop_event: Event | None = None,
    ) -> None:
        self._settings = settings
        self._clock = clock or SystemClock()
        self._stop = stop_event or Event()
        self._places = plan_places(settings)
        self._rules = plan_host_rules(settings, self._places)
        self._client = Client(settings, self._rules, self._clock, self._stop)
        robots = RobotsBook(self._client, self._rules, self._clock)
        self._decoders = Decoders() if settings.decode else None
        self._fetcher = Fetcher(
            settings, self._rules, self._client, robots, self._clock, self._decoders
        )
        hasty = replace(
            settings,
            backoff_cap_s=min(settings.backoff_cap_s, settings.s3_backoff_cap_s),
            max_pause_s=min(settings.max_pause_s, settings.s3_max_pause_s),
        )
        self._policy = plan_policy(hasty, settings.s3_connections, None)
        flickr_policy = plan_policy(settings, settings.flickr_connections, settings.flickr_rate)
        s3_host = self._places.s3.origin.host
        flickr_host = self._places.flickr.host if self._places.flickr else "Flickr"
        self._gates = {
            Source.S3: HostGate(s3_host, self._policy, self._clock, self._stop),
            Source.FLICKR: HostGate(
                flickr_host, flickr_policy, self._clock, self._stop, self._share_rate()
            ),
        }

    def _share_rate(self) -> SharedRate | None:
        path = self._settings.rate_file
        if path is None or Source.FLICKR not in self._settings.sources:
            return None
        host = "flickr" if self._places.flickr is None else str(self._places.flickr)
        return SharedRate(path, self._settings.flickr_rate, host, self._clock)

    def acquire(self, item: Item, sink: Sink) -> Acquired:
        """What became of an item; the bytes are in the sink if the outcome is ``stored``.

        Raises
        ------
        RateLimitedError
            A host wants more patience than allowed.
        SourceUnreachable, SourceForbidden
            A host cannot be reached, or answers nothing but 403.
        InterruptedRun
            The run was asked to stop while the item was under way.
        TargetError
            From the sink. After any of these the item stays untried.
        """
        attempts: list[Attempt] = []
        for place in locate(item, self._places, self._rules):
            if isinstance(place, Unusable):
                attempts.append(_not_asked(place))
                continue
            self._try_candidate(place, item, sink, attempts)
            if attempts[-1].outcome in _ENOUGH:
                break
        return settle(attempts)

    def _try_candidate(
        self, candidate: Candidate, item: Item, sink: Sink, attempts: list[Attempt]
    ) -> None:
        """Ask one URL until it gives a result that stays, or too often."""
        gate = self._gates[candidate.source]
        n_tries = 0
        while True:
            n_answers = gate.n_answers
            attempt = self._fetcher.fetch(candidate, item, sink, gate)
            if attempt.retry is Retry.NEVER:
                attempts.append(attempt)
                return
            is_dark = (
                attempt.retry is Retry.WITH_HOST and attempt.error_kind is not ErrorKind.STATUS
            )
            if is_dark and gate.n_answers == n_answers:
                # Nobody reaches the host, so this says nothing about the item: the gate makes
                # all wait, and ends the run if it stays so.
                continue
            attempts.append(attempt)
            n_tries += 1
            if n_tries >= self._settings.max_attempts:
                return
            if attempt.retry is Retry.AGAIN:
                wait_s = backoff_s(self._policy, n_tries - 1) * _jitter(item.photo_id)
                if self._clock.wait(self._stop, wait_s):
                    raise interrupted()

    def describe_hosts(self) -> tuple[HostNote, ...]:
        """What holds requests back just now, host by host; empty if nothing does."""
        notes = (gate.describe() for gate in self._gates.values())
        return tuple(note for note in notes if note is not None)

    def gate_states(self) -> dict[Source, GateState]:
        """How each source has taken the requests so far."""
        return {source: self._gates[source].state for source in self._places.sources}

    def repeated_pictures(self) -> list[RepeatedDigest]:
        """Pictures that so many items share that someone should look whether they are one."""
        return self._fetcher.digests.alarms()

    def count_repeated(self) -> dict[str, int]:
        """Items by the SHA-256 of such a picture, the most frequent first."""
        return {seen.sha256: seen.n_items for seen in self.repeated_pictures()[:_MAX_REPEATED]}

    def close(self) -> None:
        """Close all connections that are idle, and the others as they become so."""
        self._client.close()
        if self._decoders is not None:
            self._decoders.close()


def _not_asked(place: Unusable) -> Attempt:
    return Attempt(
        source=place.source,
        url=place.url,
        outcome=Outcome.BLOCKED,
        error=place.reason,
        was_sent=False,
    )
