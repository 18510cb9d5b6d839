"""What is fuzzed: each target reads any bytes, and fails an assertion where a promise is broken.

The promises: no exception but the declared ones; what is counted adds up; a fast reader says what
a slow and plain one says; a part of a whole file never passes for a whole one.
"""

from __future__ import annotations

import bz2
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final
from urllib.parse import unquote_plus

import pyarrow as pa

from yfcc.catalog.tombstones import Reason, parse_list
from yfcc.errors import SourceDamaged, UsageError
from yfcc.media.address import UnusableUrl, follow, parse_url
from yfcc.media.answer import content_length
from yfcc.media.attempt import BrokenAnswerError
from yfcc.media.body import md5_named_by
from yfcc.media.facts import MediaFacts
from yfcc.media.headers import Headers
from yfcc.media.httpdate import parse_date
from yfcc.media.politeness import parse_retry_after
from yfcc.media.rights import combine_rights, read_rights
from yfcc.media.robots import parse_robots
from yfcc.media.structure import inspect_media
from yfcc.media.tdmrep import parse_tdmrep
from yfcc.metadata.bzip2 import RawBlock, iter_blocks
from yfcc.metadata.bzip2_blocks import BlockPosition
from yfcc.metadata.dataset import parse_dataset
from yfcc.metadata.layouts import COLUMNS_V1, COLUMNS_V2, Pack, columns_of
from yfcc.metadata.lines import LineChunk, Reject, iter_line_chunks
from yfcc.metadata.packs import parse_pack
from yfcc.metadata.text import decode_form, decode_list
from yfcc.mirror.adopt import record_from
from yfcc.mirror.document import parse_media
from yfcc.mirror.layout import EXTENSIONS
from yfcc.mirror.ledger import find_committed, seal_lines
from yfcc.mirror.record import decode_record, encode_record
from yfcc.mirror.run_file import decode_run
from yfcc.mirror.verdicts import check_document
from yfcc.model import Item, MediaKind, shard_of

NOW: Final = datetime(2026, 11, 21, tzinfo=UTC)
BASE: Final = parse_url("https://live.staticflickr.com/1/2_3.jpg")


_PACKS: Final = (Pack.AUTOTAGS, Pack.EXIF, Pack.PLACES, Pack.HASH)
#: More than packs have in a few lines.
_MANY_TABS: Final = 15


def check(is_kept: object, promise: str) -> None:
    """Fail where a promise is broken.

    Raises
    ------
    AssertionError
    """
    if not is_kept:
        raise AssertionError(promise)


def _blocks(data: bytes, n_bytes: int) -> Iterator[RawBlock]:
    for at in range(0, len(data), n_bytes):
        here, after = BlockPosition(at * 8, at), BlockPosition(at * 8 + 8, at + n_bytes)
        yield RawBlock(here, after, data[at : at + n_bytes])


def lines(data: bytes) -> None:
    """Lines of every layout: rows and rejects together are the lines, byte for byte."""
    first, data = (data[0], data[1:]) if data else (0, data)
    n_bytes = first % 64 + 1
    chunks = list(iter_line_chunks(_blocks(data, n_bytes), "file", chunk_bytes=n_bytes * 9))
    whole = data if data.endswith(b"\n") or not data else data + b"\n"
    check(b"".join(chunk.data for chunk in chunks) == whole, "chunks are the file")
    wanted = whole.split(b"\n")[:-1]
    check(sum(chunk.n_lines for chunk in chunks) == len(wanted), "every line is counted")
    with suppress(SourceDamaged):
        columns_of(wanted, "file")
    pack = _PACKS[first // 64]
    for chunk in chunks:
        there = wanted[chunk.first_line : chunk.first_line + chunk.n_lines]
        if whole.count(b"\t") < _MANY_TABS:
            found = [parse_pack(chunk, pack)]
        else:
            found = [parse_dataset(chunk, columns) for columns in (COLUMNS_V1, COLUMNS_V2)]
        for rows, rejects in found:
            _add_up(there, [rows.raw_line(row) for row in range(len(rows))], rejects, chunk)


def _add_up(
    wanted: list[bytes], rows: list[bytes], rejects: list[Reject], chunk: LineChunk
) -> None:
    check(len(rows) + len(rejects) == chunk.n_lines, "lines = rows + rejects")
    found = sorted([*rows, *(reject.raw for reject in rejects)])
    check(found == sorted(wanted), "rows and rejects are the lines")
    for reject in rejects:
        number = reject.line_number - chunk.first_line
        check(wanted[number] == reject.raw, "a reject knows its line")


def text(data: bytes) -> None:
    """Encoded text: the compiled loops decode as the standard library does."""
    values = data.split(b"\n")
    decoded = decode_form(pa.array(values, pa.binary())).to_pylist()
    check(decoded == [_unquoted(value) for value in values], "decoded as unquote_plus does")
    lists = decode_list(pa.array(values, pa.binary())).to_pylist()
    plain = [[_unquoted(each) or "" for each in v.split(b",")] if v else None for v in values]
    check(lists == plain, "split first, decoded then")


def _unquoted(value: bytes) -> str | None:
    if not value:
        return None
    return (
        unquote_plus(value.decode("latin-1"), "latin-1")
        .encode("latin-1")
        .decode("utf-8", "replace")
    )


def headers(data: bytes) -> None:
    """Headers: nothing is an error, a refusal is never outweighed by what stands beside it."""
    pairs = []
    for line in data.decode("latin-1").split("\n"):
        name, _, value = line.partition(":")
        pairs.append((name.strip().lower(), value))
    names = ("x-robots-tag", "tdm-reservation", "tdm-policy", "content-usage", "etag",
             "content-length", "transfer-encoding", "retry-after", "date")  # fmt: skip
    pairs += [(names[index % len(names)], value) for index, (_, value) in enumerate(pairs)]
    found = Headers(pairs)
    rights = read_rights(found, NOW)
    stricter = read_rights(Headers([*pairs, ("X-Robots-Tag", "noai")]), NOW)
    check(stricter.is_refused, "another header refuses")
    check(combine_rights(stricter, rights).is_refused, "a refusal on the way stays")
    check(combine_rights(rights, stricter).is_refused, "a refusal at its end counts")
    with suppress(BrokenAnswerError):
        n_bytes = content_length(found)
        check(n_bytes is None or 0 <= n_bytes < 10**18, "a length is a number")
    md5 = md5_named_by(found)
    check(md5 is None or len(md5) == 32, "an MD5 has 32 digits")
    for value in found.all("retry-after"):
        wait_s = parse_retry_after(value, NOW)
        check(wait_s is None or wait_s >= 0, "nobody waits for less than nothing")
    for value in found.all("date"):
        moment = parse_date(value)
        check(moment is None or moment.tzinfo is not None, "a date has a zone")


def addresses(data: bytes) -> None:
    """Addresses and redirects: what is asked for is ASCII, and leads where it says."""
    location = data.decode("latin-1")
    for read in (parse_url, lambda each: follow(BASE, each)):
        try:
            address = read(location)
        except UnusableUrl:
            continue
        told = str(address)
        check(told.isascii() and told.isprintable() and " " not in told, "visible ASCII only")
        check(address.target.startswith("/"), "a target begins with a slash")
        check("@" not in address.origin.host and address.origin.scheme in {"http", "https"}, "host")
        check(parse_url(told) == address, "read again it is the same")


def site_files(data: bytes) -> None:
    """``robots.txt`` and ``tdmrep.json``: nothing in them is an error."""
    rules = parse_robots(data, "yfcc")
    for target in ("/", "/a/b.jpg?x=1", "/%41%zz"):
        rules.allows(target)
        rules.usage_of(target)
        parse_tdmrep(data).declaration_of(target)
    added = b"\nUser-agent: yfcc\nDisallow: /kept/from/robots\n"
    check(not parse_robots(data[:400_000] + added, "yfcc").allows("/kept/from/robots"), "a rule")


#: What has an end that no part of it has.
_CLOSED: Final = frozenset(("jpg", "png", "gif", "webp"))


def media(data: bytes) -> None:
    """Pictures and films: any bytes are facts or a flaw, and no part of a whole is a whole."""
    n_cut, data = (1 + data[0] % 48, data[1:]) if data else (1, data)
    facts = inspect_media(memoryview(data))
    if not isinstance(facts, MediaFacts):
        return
    check(facts.extension in EXTENSIONS, "the mirror has a name for it")
    check(0 <= facts.n_trailing_bytes < len(data), "what trails is a part")
    if facts.extension not in _CLOSED:
        return
    end = len(data) - facts.n_trailing_bytes
    part = inspect_media(memoryview(data)[: max(0, end - n_cut)])
    check(not isinstance(part, MediaFacts), f"{n_cut} bytes less of a {facts.extension} are whole")


_EXECUTOR: Final = ThreadPoolExecutor(1)


def bzip2(data: bytes) -> None:
    """bzip2: our own decoder gives what the library gives, or says that the file is damaged."""
    _compare_bzip2(data)
    if len(data) > 4:
        stream = bytearray(bz2.compress(data[4:] * (1 + data[0] % 8), 1 + data[1] % 9))
        place = int.from_bytes(data[2:4], "big") % (8 * len(stream))
        stream[place // 8] ^= 1 << place % 8
        _compare_bzip2(bytes(stream))


def _compare_bzip2(data: bytes) -> None:
    parts = [data[at : at + 61] for at in range(0, len(data), 61)]
    try:
        found = b"".join(block.raw for block in iter_blocks(parts, _EXECUTOR, name="file"))
    except SourceDamaged:
        found = None
    check(found == _by_library(data), "as the library")


def _by_library(data: bytes) -> bytes | None:
    """What the standard library makes of all streams; None if one is damaged, or there is none."""
    raw = b""
    while True:
        stream = bz2.BZ2Decompressor()
        try:
            raw += stream.decompress(data)
        except OSError:
            return None
        if not stream.eof:
            return None
        data = stream.unused_data
        if not data:
            return raw


def ledger(data: bytes) -> None:
    """Ledgers: any bytes are read, what was sealed is found, and a torn end changes nothing."""
    for line in data.split(b"\n"):
        try:
            record = decode_record(line)
        except ValueError:
            continue
        again = decode_record(encode_record(record))
        check(again == record, "a record is read as it was written")
    found = find_committed(data)
    check(0 <= found.end <= len(data), "commits end in the file")
    check(0 <= found.n_damaged_bytes <= len(data), "damage is in the file")
    kept = seal_lines(b'{"photo_id":1,"outcome":"gone"}\n')
    both = find_committed(kept + data[: data.find(b'{"commit":') % (len(data) + 1)])
    check(both.records[:1] == [kept[: kept.index(b"\n") + 1]], "what was sealed is found")
    check(both.read_outcomes().keys() >= {1}, "what was sealed counts")


def documents(data: bytes) -> None:
    """JSON files of the mirror: any bytes are read, and compared, without an error."""
    item = Item(1, "0", MediaKind.PHOTO, "http://x/", shard_of(1), "{}")
    told = parse_media(data, 1)
    record = None if told is None else record_from(item, told, "run")
    if record is not None:
        check(decode_record(encode_record(record)) == record, "an adopted record is one")
        damage = check_document(data, record, "")
        check(damage is None or damage.describe(), "damage is described")
    with suppress(ValueError, KeyError, TypeError, AttributeError):
        decode_run(data)


def removals(data: bytes) -> None:
    """Lists of removals: every line is one, or the whole list is refused."""
    try:
        found = parse_list(data, Reason.OTHER, "2026-11-21")
    except UsageError as error:
        check("line " in str(error), "the line is named")
        return
    check(len(found) <= data.count(b"\n") + 1, "one a line")


TARGETS: Final[dict[str, Callable[[bytes], None]]] = {
    target.__name__: target
    for target in (
        *(lines, text, headers, addresses, site_files, media, bzip2),
        *(ledger, documents, removals),
    )
}
