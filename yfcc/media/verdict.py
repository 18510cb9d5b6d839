"""From what came to what it means: pure decisions about statuses and bytes."""

from __future__ import annotations

from dataclasses import dataclass

from yfcc.media.attempt import ErrorKind, Retry
from yfcc.media.body import Body
from yfcc.media.decode import Decoded, Fate
from yfcc.media.facts import Flaw, FlawedMedia, MediaFacts
from yfcc.media.sniff import N_LEAST_BYTES
from yfcc.model import MediaKind, Outcome


@dataclass(frozen=True, slots=True)
class Judgement:
    """The meaning of an answer.

    Attributes
    ----------
    outcome : Outcome
    retry : Retry
    kind : ErrorKind or None
        None unless ``failed``.
    error : str or None
        None if ``stored``.
    """

    outcome: Outcome
    retry: Retry = Retry.NEVER
    kind: ErrorKind | None = None
    error: str | None = None


def failed(kind: ErrorKind, message: str, retry: Retry = Retry.AGAIN) -> Judgement:
    """An attempt that may go better another time."""
    return Judgement(Outcome.FAILED, retry, kind, f"{kind}: {message}")


def judge_status(status: int) -> Judgement:
    """The meaning of any answer but 200 and a redirect.

    403 counts as gone: a bucket that may not be listed says it of keys it does not have
    (Amazon S3, GetObject, "Permissions"); 451 is gone for legal reasons (RFC 7725).
    """
    message = f"{ErrorKind.STATUS}: {status}"
    if status in {403, 404, 410, 451}:
        return Judgement(Outcome.GONE, error=message)
    if status in {429, 503}:
        return failed(ErrorKind.STATUS, str(status), Retry.WITH_HOST)
    if status in {408, 425} or 500 <= status < 600:
        return failed(ErrorKind.STATUS, str(status))
    return failed(ErrorKind.STATUS, str(status), Retry.NEVER)


def judge_body(
    body: Body,
    found: MediaFacts | FlawedMedia,
    media_kind: MediaKind,
    expected_md5: str | None,
    known_placeholders: frozenset[str],
) -> Judgement:
    """The meaning of a body that came to its end.

    Parameters
    ----------
    body : Body
    found : MediaFacts or FlawedMedia
        What its bytes are.
    media_kind : MediaKind
        What was asked for.
    expected_md5 : str or None
        Of the bytes on the wire, if the server named it.
    known_placeholders : frozenset of str
    """
    has_md5 = expected_md5 is not None and not body.is_decoded
    if has_md5 and body.md5 != expected_md5:
        return failed(ErrorKind.DIGEST, f"MD5 {expected_md5} expected, {body.md5} came")
    if isinstance(found, FlawedMedia):
        return _judge_flaw(body, found, has_md5)
    if body.sha256 in known_placeholders or body.md5 in known_placeholders:
        return Judgement(Outcome.PLACEHOLDER, error="a known placeholder picture")
    is_film = found.content_type.startswith("video/")
    if is_film != (media_kind is MediaKind.VIDEO):
        return Judgement(Outcome.NOT_MEDIA, error=f"{found.extension} in place of a {media_kind}")
    return Judgement(Outcome.STORED)


def is_sources_own(body: Body, expected_md5: str | None) -> bool:
    """Whether the bytes in the sink are the source's own, as its digest says."""
    return expected_md5 is not None and not body.is_decoded and body.md5 == expected_md5


def judge_decoded(decoded: Decoded, is_proven: bool) -> Judgement:
    """The meaning of a picture that could not be decoded.

    Parameters
    ----------
    decoded : Decoded
        Of any fate but ``DECODED``.
    is_proven : bool
        Whether the source's digest says that the bytes are its own.
    """
    if decoded.fate is Fate.TOO_LARGE:
        return Judgement(Outcome.TOO_LARGE, error=f"not decoded: {decoded.reason}")
    if decoded.fate is Fate.DECODER_DIED:
        # Perhaps the machine's fault and not the picture's, so nothing final is said of it.
        retry = Retry.NEVER if is_proven else Retry.AGAIN
        return failed(ErrorKind.UNDECODABLE, decoded.reason, retry)
    return _unusable(ErrorKind.UNDECODABLE, decoded.reason, is_proven)


def _judge_flaw(body: Body, found: FlawedMedia, is_proven: bool) -> Judgement:
    if found.flaw is Flaw.NOT_MEDIA:
        if not body.has_length and body.n_bytes < N_LEAST_BYTES:
            return failed(ErrorKind.CUT, f"{body.n_bytes} bytes, and no length named")
        return Judgement(Outcome.NOT_MEDIA, error=found.reason)
    kind = ErrorKind.TRUNCATED if found.flaw is Flaw.TRUNCATED else ErrorKind.DAMAGED
    return _unusable(kind, found.reason, is_proven)


def _unusable(kind: ErrorKind, reason: str, is_proven: bool) -> Judgement:
    """A picture that is broken: on the way, or as the source has it."""
    if is_proven:
        # The digest says that these are the source's own bytes: it has no others, whenever asked.
        return Judgement(Outcome.NOT_MEDIA, error=f"{kind}: {reason}; so it lies at the source")
    return failed(kind, reason)
