"""Whether copies of a stored item may be handed on.

What the licence permits and asks is in :mod:`yfcc.share.terms`. An opt-out header forbids handing
on what was stored in spite of it: the licence may permit it, but somebody asked not to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from yfcc.media.headers import Headers
from yfcc.media.rights import read_rights
from yfcc.share.credits import member, missing_parts, read_credit, terms_of

#: Under this name a record keeps what a site's ``tdmrep.json`` declares, as headers would put it.
_DECLARED: Final = "tdmrep.json"


def redistribution_refusal(
    document: Mapping[str, Any], now_utc: datetime, *, is_changed: bool = False
) -> str | None:
    """Why copies of a stored item may not be handed on; None if they may, with its duties kept.

    Parameters
    ----------
    document : mapping
        The item's JSON.
    now_utc : datetime
        To judge ``unavailable_after`` by.
    is_changed : bool
        Whether the copies are resized, cropped or encoded anew.

    Returns
    -------
    str or None
        The kind of reason, then a colon and the particulars: ``licence``, ``credit``,
        ``no derivatives`` or ``opt-out``.
    """
    terms = terms_of(document)
    if terms is None:
        url = member(document, "attribution").get("license_url")
        return f"licence: unknown ({url or 'none given'}), so nothing is permitted"
    missing = missing_parts(read_credit(document))
    if missing:
        return f"credit: {' and '.join(missing)} missing, which {terms.name} asks for"
    if is_changed and not terms.allows_changes:
        return f"no derivatives: {terms.name} permits unchanged copies only"
    refusal = opt_out(member(member(document, "media"), "rights"), now_utc)
    return None if refusal is None else f"opt-out: {refusal}"


def opt_out(rights: Mapping[str, Any], now_utc: datetime) -> str | None:
    """The opt-out among the headers that a record keeps; None if there is none.

    Stricter than at the time of the download: a record has several headers in one, with commas
    between, so that a bot's name may not reach as far as it seems to. A rule behind a comma counts
    as if a header began there.

    Parameters
    ----------
    rights : mapping of str to str
        As in an item's JSON or record, names of any case.
    now_utc : datetime
        To judge ``unavailable_after`` by.
    """
    for name, value in rights.items():
        for pair in _as_headers(name.lower(), str(value)):
            refusal = read_rights(Headers([pair]), now_utc).refusal
            if refusal is not None:
                return refusal
    return None


def _as_headers(name: str, value: str) -> Iterator[tuple[str, str]]:
    if name == _DECLARED:
        # "tdm-reservation: 1, tdm-policy: https://…"
        reservation = value.partition(",")[0].partition(":")[2]
        yield "tdm-reservation", reservation
        return
    yield name, value
    if name == "x-robots-tag":
        pieces = value.split(",")
        for number in range(1, len(pieces)):
            yield name, ",".join(pieces[number:])
