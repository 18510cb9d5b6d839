"""How a run meets a removed item: it is recorded as such, and what is left of it goes."""

from __future__ import annotations

from yfcc.catalog.tombstones import Reason
from yfcc.mirror.committer import Entry
from yfcc.mirror.forget_files import forgotten_record
from yfcc.mirror.layout import EXTENSIONS, document_name, media_name
from yfcc.mirror.shard_ledger import ShardLedger
from yfcc.mirror.store import Store
from yfcc.model import Item, Outcome


def forgotten_entry(
    store: Store, ledger: ShardLedger, item: Item, reason: Reason, now: str, run_id: str
) -> Entry:
    """The entry of an item that must not be stored.

    Files of it, which a killed run may have left, are removed once the record is durable.

    Raises
    ------
    TargetError
        The mirror cannot be read.
    """
    leftovers: tuple[str, ...] = ()
    was_stored = ledger.outcome_of(item.photo_id) is Outcome.STORED
    if was_stored or store.read_document(item.photo_id) is not None:
        media = (media_name(item.photo_id, extension) for extension in sorted(EXTENSIONS))
        # The JSON last: until then it names the other.
        leftovers = (*media, document_name(item.photo_id))
    record = forgotten_record(item.photo_id, reason, now, run_id)
    return Entry(ledger, record, Outcome.FORGOTTEN, leftovers=leftovers)
