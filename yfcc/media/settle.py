"""From all that was tried for an item to what became of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from yfcc.media.attempt import Attempt
from yfcc.model import Outcome

#: Which result counts when sources disagree, strongest first. A refusal binds whatever another
#: source says. A failure leaves the item open, as another run may have more luck there. Then
#: what says most: bytes that were seen, before bytes that are gone, before an address that was
#: not asked.
_PRECEDENCE: Final = {
    outcome: rank
    for rank, outcome in enumerate(
        (
            Outcome.STORED,
            Outcome.REFUSED,
            Outcome.FAILED,
            Outcome.TOO_LARGE,
            Outcome.PLACEHOLDER,
            Outcome.NOT_MEDIA,
            Outcome.GONE,
            Outcome.BLOCKED,
        )
    )
}


@dataclass(frozen=True, slots=True)
class Acquired:
    """What became of one item, and how.

    With outcome ``stored`` the sink holds the whole, checked bytes, and the fields about bytes
    are set. Unknown is None.

    Attributes
    ----------
    outcome : Outcome
    source, url, http_status
        Of the answer that decided.
    attempts : int
        Times that a URL was asked, redirects not counted.
    first_error, last_error : str or None
        What went wrong first and last; ``last_error`` is None if ``stored``.
    content_type, extension, width, height, n_trailing_bytes, has_zero_run
        Of the bytes themselves, see :class:`yfcc.media.facts.MediaFacts`.
    n_bytes, sha256, md5
        Of what the sink holds.
    rights : mapping of str to str
        Rights headers as received, by lower-case name.
    evidence : bytes or None
        The first 256 bytes of what is no media.
    """

    outcome: Outcome
    source: str | None
    url: str | None
    http_status: int | None
    attempts: int
    first_error: str | None
    last_error: str | None
    content_type: str | None
    extension: str | None
    width: int | None
    height: int | None
    n_trailing_bytes: int | None
    has_zero_run: bool
    n_bytes: int | None
    sha256: str | None
    md5: str | None
    rights: Mapping[str, str]
    evidence: bytes | None

    @property
    def x_robots_tag(self) -> str | None:
        """The header of that name, all values."""
        return self.rights.get("x-robots-tag")


def deciding_attempt(attempts: Sequence[Attempt]) -> Attempt:
    """The attempt that decides: the last one at each source, by precedence.

    Parameters
    ----------
    attempts : sequence of Attempt
        In the order in which they were made, one or more.
    """
    last = {attempt.source: attempt for attempt in attempts}
    return min(last.values(), key=lambda attempt: _PRECEDENCE[attempt.outcome])


def settle(attempts: Sequence[Attempt]) -> Acquired:
    """What became of an item after these attempts, one or more, in order."""
    decisive = deciding_attempt(attempts)
    errors = [f"{a.source}: {a.error}" for a in attempts if a.error is not None]
    is_stored = decisive.outcome is Outcome.STORED
    facts = decisive.facts
    return Acquired(
        outcome=decisive.outcome,
        source=decisive.source,
        url=decisive.url,
        http_status=decisive.http_status,
        attempts=sum(attempt.was_sent for attempt in attempts),
        first_error=errors[0] if errors else None,
        last_error=errors[-1] if errors and not is_stored else None,
        content_type=facts.content_type if facts else None,
        extension=facts.extension if facts else None,
        width=facts.width if facts else None,
        height=facts.height if facts else None,
        n_trailing_bytes=facts.n_trailing_bytes if facts else None,
        has_zero_run=facts is not None and facts.has_zero_run,
        n_bytes=decisive.n_bytes,
        sha256=decisive.sha256,
        md5=decisive.md5,
        rights=decisive.rights.headers,
        evidence=decisive.evidence,
    )
