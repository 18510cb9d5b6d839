"""One attempt: from a candidate to checked bytes in a sink, or the reason why not."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from yfcc.media.address import Address, HostRules, UnusableUrl, follow
from yfcc.media.attempt import (
    Attempt,
    BrokenAnswerError,
    ConnectError,
    ErrorKind,
    PeerRefusedError,
    Retry,
)
from yfcc.media.body import Body, NoMedia, TooLarge, md5_named_by, receive_body
from yfcc.media.client import Client, Reply
from yfcc.media.clock import Clock
from yfcc.media.decode import DECODABLE, Decoders, Fate
from yfcc.media.facts import MediaFacts
from yfcc.media.gate import HostGate
from yfcc.media.httpdate import parse_date
from yfcc.media.locate import Candidate
from yfcc.media.placeholder import DigestWatch, is_placeholder_target, is_wrong_type
from yfcc.media.politeness import (
    ANSWERED,
    BROKEN,
    FORBIDDEN,
    MAX_REDIRECT_WAIT_S,
    MISLED,
    UNCONNECTED,
    Event,
    Throttled,
    parse_retry_after,
)
from yfcc.media.rights import NO_RIGHTS, Rights, combine_rights, read_rights, usage_refusal
from yfcc.media.robots_book import RobotsBook, RobotsUnreachableError
from yfcc.media.settings import FetchSettings, Source
from yfcc.media.sink import Sink
from yfcc.media.structure import describe_junk, inspect_media
from yfcc.media.tdmrep import TdmDeclaration
from yfcc.media.verdict import (
    Judgement,
    failed,
    is_sources_own,
    judge_body,
    judge_decoded,
    judge_status,
)
from yfcc.model import Item, Outcome
from yfcc.redact import redact_text, redact_url

_MAX_HOPS: Final = 5
_REDIRECTS: Final = frozenset((301, 302, 303, 307, 308))
_N_EVIDENCE_BYTES: Final = 256


@dataclass(slots=True)
class _Way:
    """How far an attempt has come."""

    candidate: Candidate
    item: Item
    sink: Sink
    gate: HostGate
    deadline_s: float
    address: Address
    rights: Rights = NO_RIGHTS
    status: int | None = None
    was_sent: bool = False
    declared: TdmDeclaration | None = None
    wait_s: float = 0.0

    def end(
        self,
        judgement: Judgement,
        evidence: bytes | None = None,
        body: Body | None = None,
        facts: MediaFacts | None = None,
    ) -> Attempt:
        """The attempt's result."""
        return Attempt(
            source=self.candidate.source,
            url=redact_url(str(self.address)),
            outcome=judgement.outcome,
            retry=judgement.retry,
            http_status=self.status,
            error_kind=judgement.kind,
            error=judgement.error and redact_text(judgement.error),
            rights=self.rights,
            n_bytes=None if body is None else body.n_bytes,
            sha256=None if body is None else body.sha256,
            md5=None if body is None else body.md5,
            facts=facts,
            evidence=evidence,
            was_sent=self.was_sent,
        )


class Fetcher:
    """Makes attempts; shared by all threads.

    Parameters
    ----------
    settings : FetchSettings
    rules : HostRules
    client : Client
    robots : RobotsBook
    clock : Clock
    decoders : Decoders, optional
        Every picture is decoded by them.
    """

    def __init__(
        self,
        settings: FetchSettings,
        rules: HostRules,
        client: Client,
        robots: RobotsBook,
        clock: Clock,
        decoders: Decoders | None = None,
    ) -> None:
        self._settings = settings
        self._rules = rules
        self._client = client
        self._robots = robots
        self._clock = clock
        self._decoders = decoders
        self.digests = DigestWatch()

    def fetch(self, candidate: Candidate, item: Item, sink: Sink, gate: HostGate) -> Attempt:
        """Try one URL, redirects included; each request waits for its turn at the gate.

        Raises
        ------
        YfccError
            From the gate or the sink: the run has to stop.
        """
        deadline_s = self._clock.monotonic() + self._settings.deadline_s
        way = _Way(candidate, item, sink, gate, deadline_s, candidate.address)
        try:
            for _ in range(_MAX_HOPS + 1):
                step = self._check_robots(way) or self._ask(way)
                if isinstance(step, Attempt):
                    return step
                way.address = step
                if way.wait_s:
                    way.gate.wait(way.wait_s)
        except ConnectError as error:
            is_alone = self._client.is_alone(way.address.origin, way.gate)
            retry = Retry.AGAIN if is_alone else Retry.WITH_HOST
            return way.end(failed(error.kind, error.message, retry))
        except BrokenAnswerError as error:
            retry = Retry.NEVER if error.kind is ErrorKind.ENCODING else Retry.AGAIN
            return way.end(failed(error.kind, error.message, retry))
        except RobotsUnreachableError as error:
            return way.end(failed(ErrorKind.ROBOTS, str(error), Retry.NEVER))
        except (PeerRefusedError, UnusableUrl) as error:
            return way.end(Judgement(Outcome.BLOCKED, error=str(error)))
        reason = f"more than {_MAX_HOPS} redirects"
        return way.end(failed(ErrorKind.REDIRECT, reason, Retry.NEVER))

    def _check_robots(self, way: _Way) -> Attempt | None:
        if way.candidate.source is not Source.FLICKR:
            return None  # the bucket is published to be fetched from
        rules = self._robots.rules_of(way.address.origin, way.gate)
        if not rules.allows(way.address.target):
            return way.end(Judgement(Outcome.BLOCKED, error="robots.txt disallows the path"))
        usage = ", ".join(rules.usage_of(way.address.target))
        if usage:
            refusal = usage_refusal(usage)
            stated = Rights(refusal and f"robots.txt, {refusal}", {"content-usage": usage})
            way.rights = combine_rights(way.rights, stated)
        refused = self._refused(way)
        if refused is None:
            way.declared = self._robots.declaration_of(way.address, way.gate)
        return refused

    def _refused(self, way: _Way) -> Attempt | None:
        if way.rights.refusal is None or self._settings.ignore_opt_out:
            return None
        return way.end(Judgement(Outcome.REFUSED, error=way.rights.refusal))

    def _ask(self, way: _Way) -> Attempt | Address:
        asked_s = self._clock.monotonic()
        started_s = way.gate.enter()
        way.deadline_s += started_s - asked_s  # a host may want half an hour of patience
        event: Event = BROKEN
        try:
            way.was_sent = True
            reply = self._client.get(way.address, way.deadline_s)
            event = self._event_of(reply)
            return self._judge(way, reply)
        except PeerRefusedError:
            event = MISLED
            raise
        except ConnectError:
            is_alone = self._client.is_alone(way.address.origin, way.gate)
            event = BROKEN if is_alone else UNCONNECTED
            raise
        finally:
            way.gate.leave(event, started_s)

    def _event_of(self, reply: Reply) -> Event:
        if reply.status in {429, 503}:
            return Throttled(self._retry_after_s(reply))
        return FORBIDDEN if reply.status == 403 else ANSWERED

    def _retry_after_s(self, reply: Reply) -> float | None:
        value = reply.headers.first("retry-after")
        if value is None:
            return None
        date = parse_date(reply.headers.first("date") or "")
        return parse_retry_after(value, date or self._clock.now_utc())

    def _judge(self, way: _Way, reply: Reply) -> Attempt | Address:
        """The result an answer means, or the address it sends us on to; the reply is ended."""
        way.status = reply.status
        keeps_connection = False
        try:
            if reply.status in _REDIRECTS:
                step = self._follow(way, reply)
                keeps_connection = isinstance(step, Address)
                return step
            if reply.status != 200:
                keeps_connection = True
                return way.end(judge_status(reply.status))
            attempt = self._receive(way, reply)
            keeps_connection = attempt.outcome in {Outcome.STORED, Outcome.PLACEHOLDER}
            return attempt
        finally:
            if keeps_connection:
                reply.discard()
            else:
                reply.close()

    def _read_rights(self, way: _Way, reply: Reply) -> Attempt | None:
        stated = read_rights(reply.headers, self._clock.now_utc(), way.declared)
        way.rights = combine_rights(way.rights, stated)
        return self._refused(way)

    def _follow(self, way: _Way, reply: Reply) -> Attempt | Address:
        refused = self._read_rights(way, reply)
        if refused is not None:
            return refused
        location = reply.headers.first("location")
        if location is None:
            message = f"{reply.status} without a Location"
            return way.end(failed(ErrorKind.REDIRECT, message, Retry.NEVER))
        if is_placeholder_target(location):
            reason = f"redirect to the placeholder {location[:200]}"
            return way.end(Judgement(Outcome.PLACEHOLDER, error=reason))
        address = follow(way.address, location)
        self._rules.check(address.origin)
        way.wait_s = self._retry_after_s(reply) or 0.0  # RFC 9110, 10.2.3
        if way.wait_s > MAX_REDIRECT_WAIT_S:
            message = f"asks to wait {way.wait_s:.0f} s, at most {MAX_REDIRECT_WAIT_S:.0f} s are"
            return way.end(failed(ErrorKind.REDIRECT, message, Retry.NEVER))
        return address

    def _receive(self, way: _Way, reply: Reply) -> Attempt:
        """Read the body, unless the headers say that it must not be stored."""
        refused = self._read_rights(way, reply)
        if refused is not None:
            return refused
        sink = way.sink
        sink.reset()
        md5 = md5_named_by(reply.headers) if way.candidate.source is Source.S3 else None
        try:
            # Junk may have become so on the way: its digest tells.
            max_bytes, takes_junk = self._settings.max_bytes, md5 is not None
            body = receive_body(reply, sink, max_bytes, takes_junk=takes_junk)
        except TooLarge as error:
            return way.end(Judgement(Outcome.TOO_LARGE, error=str(error)))
        except NoMedia:
            view = sink.view()
            evidence = bytes(view[:_N_EVIDENCE_BYTES])
            return way.end(Judgement(Outcome.NOT_MEDIA, error=describe_junk(view)), evidence)
        view = sink.view()
        found = inspect_media(view)
        judgement = judge_body(
            body,
            found,
            way.item.media_kind,
            md5,
            self._settings.known_placeholders,
        )
        if judgement.outcome is Outcome.STORED and isinstance(found, MediaFacts):
            judgement, found = self._decode(view, found, judgement, is_sources_own(body, md5))
        if judgement.outcome is Outcome.NOT_MEDIA:
            return way.end(judgement, bytes(view[:_N_EVIDENCE_BYTES]))
        if judgement.outcome is Outcome.STORED and isinstance(found, MediaFacts):
            judgement = self._look_for_repeats(way, body.sha256, found, judgement)
        facts = found if isinstance(found, MediaFacts) else None
        return way.end(judgement, body=body, facts=facts)

    def _decode(
        self, view: memoryview, facts: MediaFacts, judgement: Judgement, is_proven: bool
    ) -> tuple[Judgement, MediaFacts]:
        """The judgement once a picture was decoded, if the user wants that, and its true size."""
        if self._decoders is None or facts.content_type not in DECODABLE:
            return judgement, facts
        decoded = self._decoders.decode(view)
        if decoded.fate is Fate.DECODED:
            return judgement, replace(facts, width=decoded.width, height=decoded.height)
        return judge_decoded(decoded, is_proven), facts

    def _look_for_repeats(
        self, way: _Way, sha256: str, facts: MediaFacts, judgement: Judgement
    ) -> Judgement:
        n_before = self.digests.count(sha256, way.item.photo_id)
        if n_before and is_wrong_type(way.address.target, facts.extension):
            # The same bytes for another item, and not even of the type the URL promised.
            reason = f"a {facts.extension} that another item has too"
            return Judgement(Outcome.PLACEHOLDER, error=reason)
        return judgement
