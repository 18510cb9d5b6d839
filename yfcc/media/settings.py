"""All that a user can set about fetching, as one value."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from yfcc.errors import UsageError
from yfcc.media.placeholder import KNOWN_PLACEHOLDERS
from yfcc.media.politeness import Rate


class Source(StrEnum):
    """Where media come from."""

    S3 = "s3"
    FLICKR = "flickr"


#: Flickr's own limit for a video is 1 GB; nothing in the dataset is larger.
DEFAULT_MAX_BYTES: Final = 2 * 2**30


#: "A few requests a second" is what the dataset's readme and Flickr's own guideline allow.
_FLICKR_RATE: Final = Rate(2.0)

_CONTACT: Final = re.compile(r"[ -'*-\[\]-~]{0,500}")


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchSettings:
    """Settings of one run.

    Attributes
    ----------
    sources : tuple of Source
        In the order in which they are asked.
    s3_endpoint, flickr_endpoint : str or None
        Servers to ask instead of the public ones.
    contact : str or None
        Where the servers' owners find whoever runs this; part of the User-Agent.
    max_bytes : int
        Larger media are not stored.
    connect_timeout_s, read_timeout_s, deadline_s : float
        To a connection, between two packets, and for one attempt as a whole.
    min_rate_bytes_s, min_rate_window_s : float
        An attempt slower than this over a window is given up.
    max_attempts : int
        At each source, for what may go away by itself.
    backoff_s, backoff_cap_s : float
        First and longest pause where the server names none.
    max_pause_s : float
        A longer pause, or a longer sum of pauses without a success between, ends the run.
    s3_backoff_cap_s, s3_max_pause_s : float
        The same for the object store, which asks for seconds (503 SlowDown): one that stays
        away for minutes is down, and the run had better say so.
    max_connect_rounds : int
        Rounds of failing connections, each after a longer pause, until the run ends.
    max_forbidden_run : int
        Answers 403, or addresses that may not be asked, in a row until the run ends.
    s3_connections, flickr_connections : int
        Connections at a time.
    flickr_rate : Rate
        For all Flickr hosts and threads together; of all processes that share its file.
    rate_file : Path or None
        Where this machine's processes keep the rate together, see
        :class:`yfcc.media.shared_rate.SharedRate`; None: this process keeps it alone.
    ignore_opt_out : bool
        Store what its headers ask not to store.
    allow_private_hosts : bool
        Connect to addresses that are not public, also where the user named no endpoint.
    known_placeholders : frozenset of str
        Digests (SHA-256 or MD5, lower-case hex) of pictures that stand for a missing photo.
    decode : bool
        Decode every picture fully before it counts as stored.
    """

    sources: tuple[Source, ...] = (Source.S3,)
    s3_endpoint: str | None = None
    flickr_endpoint: str | None = None
    contact: str | None = None
    max_bytes: int = DEFAULT_MAX_BYTES
    connect_timeout_s: float = 10.0
    read_timeout_s: float = 30.0
    deadline_s: float = 1800.0
    min_rate_bytes_s: float = 1024.0
    min_rate_window_s: float = 30.0
    max_attempts: int = 3
    backoff_s: float = 0.5
    backoff_cap_s: float = 30.0
    max_pause_s: float = 3600.0
    s3_backoff_cap_s: float = 5.0
    s3_max_pause_s: float = 120.0
    max_connect_rounds: int = 6
    max_forbidden_run: int = 100
    s3_connections: int = 64
    flickr_connections: int = 4
    flickr_rate: Rate = _FLICKR_RATE
    rate_file: Path | None = None
    ignore_opt_out: bool = False
    allow_private_hosts: bool = False
    known_placeholders: frozenset[str] = KNOWN_PLACEHOLDERS
    decode: bool = False


def parse_sources(text: str) -> tuple[Source, ...]:
    """Sources of a comma list, in its order.

    Raises
    ------
    UsageError
        A name that is no source, or no name at all.

    Examples
    --------
    >>> [source.value for source in parse_sources("s3,flickr")]
    ['s3', 'flickr']
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    known = {source.value: source for source in Source}
    if not names:
        raise UsageError("--from: expected s3, flickr or both, got none")
    for name in names:
        if name not in known:
            raise UsageError(f"--from {text}: {name!r} is no source; expected s3, flickr or both")
    return tuple(dict.fromkeys(known[name] for name in names))


def parse_contact(text: str | None) -> str | None:
    """The contact as the User-Agent carries it; None if there is none.

    Raises
    ------
    UsageError
        It has characters that a header's comment cannot have (RFC 9110, section 5.6.5): a contact
        without them would be somebody else's.

    Examples
    --------
    >>> parse_contact("https://example.org/me")
    'https://example.org/me'
    """
    text = (text or "").strip()
    if _CONTACT.fullmatch(text) is None:
        raise UsageError(
            f"--contact {text[:200]!r}: expected at most 500 characters of ASCII without "
            "parentheses or backslashes; in a URL, write others as %28, or a host's as xn--…"
        )
    return text or None
