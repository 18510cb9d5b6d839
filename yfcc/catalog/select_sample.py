"""The rule of ``--sample``: which of the selected items are drawn. Pure."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Final

from yfcc.errors import UsageError

#: More than there are items anywhere.
_MOST: Final = 10**12
#: What a sample may be spread over, and its value for an item; NULL is a value like others.
STRATA: Final = {
    "license": "license",
    "media_kind": "media_kind",
    "extension": "extension",
    "country": "list_filter(places, lambda place: place.type = 'Country')[1].name",
    "capture_device": "capture_device",
    "user_nsid": "user_nsid",
    "taken_year": "year(date_taken)",
    "uploaded_year": "year(date_uploaded)",
}


def check_sample(n_items: int | None, per: str | None) -> None:
    """Refuse a size or a column that is none.

    Raises
    ------
    UsageError
    """
    if n_items is not None and not 1 <= n_items <= _MOST:
        limit = "at least 1" if n_items < 1 else f"at most {_MOST:,}"
        raise UsageError(f"--sample {n_items}: expected a number of items, {limit}.")
    if per is None:
        return
    if per not in STRATA:
        near = get_close_matches(per, STRATA, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise UsageError(f"--per {per}: expected one of {', '.join(STRATA)}.{hint}")
    if n_items is None:
        raise UsageError(f"--per {per}: needs --sample N, the number of items in all.")


def order_of(seed: int) -> str:
    """What items are drawn in the order of: the MD5 of ``photo_id:seed``, as hex digits."""
    return f"md5(photo_id || ':{seed}')"


def draw(
    n_items: int, seed: int, condition: str, columns: str = "photo_id", per: str | None = None
) -> str:
    """A query for the items of a sample: those whose MD5 of ``photo_id:seed`` comes first.

    With ``per`` they are drawn in rounds: every value of the column gives its first item, then
    each its second, and so on, until there are enough. So values share evenly; those with few
    items give all they have, and the others make up for it. Of the last round, which may have too
    many, the items whose MD5 comes first are drawn.

    Nothing else decides, neither threads nor shards nor the order of the rows; others can draw
    the same sample with any tool that has MD5.
    """
    if per is None:
        return (
            f"SELECT {columns} FROM items WHERE {condition} "
            f"ORDER BY {order_of(seed)}, photo_id LIMIT {n_items}"
        )
    return draw_in_rounds(
        n_items,
        f"SELECT {columns}, {order_of(seed)} AS digest, {STRATA[per]} AS stratum "
        f"FROM items WHERE {condition}",
        columns,
    )


def draw_in_rounds(n_items: int, candidates: str, columns: str = "photo_id") -> str:
    """A query for a sample, evenly of all strata.

    Parameters
    ----------
    n_items : int
    candidates : str
        A query for the columns, ``digest`` and ``stratum``, one row an item.
    columns : str
        ``photo_id`` among them.
    """
    return (
        f"SELECT {columns} FROM (SELECT *, row_number() OVER "
        f"(PARTITION BY stratum ORDER BY digest, photo_id) AS round FROM ({candidates})) "
        f"ORDER BY round, digest, photo_id LIMIT {n_items}"
    )
