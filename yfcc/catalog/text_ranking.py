"""The best of the items that have some words."""

from __future__ import annotations

from dataclasses import dataclass, replace

from yfcc.catalog.reader import Catalog
from yfcc.catalog.select import Selection
from yfcc.catalog.select_rules import FOUND
from yfcc.catalog.text_search import LackingWord


@dataclass(frozen=True, slots=True)
class RankedItem:
    """An item, and how well the words describe it.

    Attributes
    ----------
    photo_id : int
    score : float
        Higher is better; only to be compared with others of the same words.
    license, title, page_url : str, optional
    media_kind : str
        ``photo`` or ``video``.
    """

    photo_id: int
    score: float
    license: str | None
    media_kind: str
    title: str | None
    page_url: str | None


@dataclass(frozen=True, slots=True)
class Ranking:
    """The best items.

    Attributes
    ----------
    n_items : int
        That are selected in all.
    items : tuple of RankedItem
        The best first; equals in the dataset's order.
    lacking : tuple of LackingWord
        Words that no item has: then there are no items.
    """

    n_items: int
    items: tuple[RankedItem, ...]
    lacking: tuple[LackingWord, ...] = ()


def rank_items(catalog: Catalog, selection: Selection, limit: int) -> Ranking:
    """The best items of a selection that has words.

    Parameters
    ----------
    catalog : Catalog
    selection : Selection
        With ``text``.
    limit : int
        Items wanted, at most.

    Raises
    ------
    UsageError
        The selection cannot be computed, or there is no word in its text.
    """
    found = catalog.found(selection.text or "")
    if found.lacking:
        return Ranking(0, (), found.lacking)
    is_alone = replace(selection, text=None) == Selection()
    with catalog.selecting(selection) as (cursor, condition):
        chosen = f"SELECT line_number, score FROM {FOUND}"
        n_items = found.n_items
        if not is_alone:
            chosen = f"SELECT line_number, score FROM items JOIN {FOUND} USING (line_number)"
            chosen += f" WHERE {condition}"
            ((n_items,),) = cursor.execute(f"SELECT count(*) FROM ({chosen})").fetchall()
        # First which, then what they hold: titles of all that were found would cost more.
        rows = cursor.execute(
            f"""
            WITH best AS MATERIALIZED (
                SELECT * FROM ({chosen}) ORDER BY score DESC, line_number LIMIT {limit})
            SELECT photo_id, score, license, media_kind, title, page_url
            FROM items JOIN best USING (line_number) ORDER BY score DESC, line_number"""
        ).fetchall()
    return Ranking(n_items, tuple(RankedItem(*row) for row in rows))
