"""One try at one URL: what can go wrong with it, and its result.

::

    TransportError        no whole answer was had
    ├── ConnectError      no connection: host, network or name service
    ├── BrokenAnswerError the answer broke off, was too slow, or makes no sense
    └── PeerRefusedError  the host's address is not one that may be asked

They never leave this room: an attempt that ends in one is an :class:`Attempt` that says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum

from yfcc.media.facts import MediaFacts
from yfcc.media.rights import NO_RIGHTS, Rights
from yfcc.media.settings import Source
from yfcc.model import Outcome


class Retry(Enum):
    """Whether asking the same URL again, in this run, can help."""

    NEVER = "never"
    AGAIN = "after a while"
    WITH_HOST = "when the host's gate lets it through"


class ErrorKind(StrEnum):
    """What went wrong with an attempt."""

    NAME = "host name not found"
    CONNECT = "no connection"
    TLS = "TLS"
    TIMEOUT = "timeout"
    TOO_SLOW = "too slow"
    DEADLINE = "deadline"
    CUT = "cut"
    LENGTH = "content length"
    HEADERS = "headers"
    PROTOCOL = "protocol"
    ENCODING = "content encoding"
    DIGEST = "digest"
    TRUNCATED = "truncated"
    DAMAGED = "damaged"
    UNDECODABLE = "does not decode"
    STATUS = "status"
    REDIRECT = "redirect"
    ROBOTS = "robots.txt"
    ADDRESS = "address"


class TransportError(Exception):
    """No whole answer was had.

    Parameters
    ----------
    kind : ErrorKind
    message : str
    """

    def __init__(self, kind: ErrorKind, message: str) -> None:
        super().__init__(kind, message)
        self.kind = kind
        self.message = message

    def __str__(self) -> str:
        """Kind and message."""
        return f"{self.kind}: {self.message}"


class ConnectError(TransportError):
    """No connection: the host, the network or the name service."""


class BrokenAnswerError(TransportError):
    """The answer broke off, was too slow, or makes no sense."""


class PeerRefusedError(TransportError):
    """The host's address is not one that may be asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """The result of one try at one URL.

    Attributes
    ----------
    source : Source
    url : str or None
        Where the last answer came from, after redirects.
    outcome : Outcome
        ``stored``: the sink holds the whole, checked bytes. ``failed``: see ``retry``.
    retry : Retry
    http_status : int or None
        Of the last answer.
    error_kind : ErrorKind or None
        None unless ``failed``.
    error : str or None
        What was expected and what came; None if ``stored``.
    rights : Rights
        Of the answer and all redirects to it.
    n_bytes : int or None
        Bytes in the sink.
    sha256, md5 : str or None
        Lower-case hex of the bytes in the sink.
    facts : MediaFacts or None
        Set if ``stored`` or ``placeholder``.
    evidence : bytes or None
        The first 256 bytes of what is no media.
    was_sent : bool
        Whether a request was made at all.
    """

    source: Source
    url: str | None
    outcome: Outcome
    retry: Retry = Retry.NEVER
    http_status: int | None = None
    error_kind: ErrorKind | None = None
    error: str | None = None
    rights: Rights = NO_RIGHTS
    n_bytes: int | None = None
    sha256: str | None = None
    md5: str | None = None
    facts: MediaFacts | None = None
    evidence: bytes | None = None
    was_sent: bool = True
