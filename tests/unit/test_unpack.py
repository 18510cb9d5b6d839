"""Every packing gives the same bytes, from any block on, or says what is wrong where."""

from __future__ import annotations

import base64
import bz2
import gzip
import io
import random
import re
import sqlite3
import tarfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tests.fakes.memory_source import MemorySource
from tests.fakes.rows import fields
from yfcc.errors import SourceChanged, SourceDamaged, SourceError, TargetError
from yfcc.metadata.bzip2 import BlockPosition, RawBlock
from yfcc.metadata.layouts import COLUMNS_V1
from yfcc.metadata.source import open_source
from yfcc.metadata.source.landing import Landing
from yfcc.metadata.unpack import Packing, iter_unpacked, packing_of
from yfcc.metadata.unpack.database import TABLE, TABLE_COLUMNS

RNG = random.Random(5)
TEXT = b"".join(b"%d\t%s\n" % (n, RNG.randbytes(30).hex().encode()) for n in range(20_000))


def zstd(data: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(data)
    return bytes(sink.getvalue())


def gz(data: bytes) -> bytes:
    return gzip.compress(data, 1, mtime=0)


def tar(*members: tuple[str, bytes], form: int = tarfile.GNU_FORMAT) -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w", format=form) as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return sink.getvalue()


ARCHIVE = tar(("folder/yfcc100m_dataset", TEXT))
PACKINGS: dict[str, tuple[str, bytes]] = {
    "plain": ("x.tsv", TEXT),
    "gzip": ("x.gz", gz(TEXT)),
    "gzip, 3 members": ("x.gz", b"".join(gz(TEXT[n::3]) for n in (0, 1, 2))),
    "zstd": ("x.zst", zstd(TEXT)),
    "bzip2": ("x.bz2", bz2.compress(TEXT, 1)),
    "tar": ("x.tar", ARCHIVE),
    "tar in gzip": ("x.tgz", gz(ARCHIVE)),
    "tar in zstd": ("x.tar.zst", zstd(ARCHIVE)),
    "tar in bzip2": ("x.tar.bz2", bz2.compress(ARCHIVE, 1)),
}


@pytest.fixture(scope="module")
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


Unpack = Callable[..., list[RawBlock]]


@pytest.fixture
def unpack(executor) -> Unpack:
    def blocks(content: bytes, name: str = "x", start: BlockPosition | None = None):
        source = MemorySource(content, name)
        return list(iter_unpacked(source, source.object, executor, ahead=2, start=start))

    return blocks


def joined(blocks: list[RawBlock]) -> bytes:
    return b"".join(block.raw for block in blocks)


@pytest.mark.parametrize("packing", PACKINGS)
def test_every_packing_gives_the_bytes_that_were_packed(unpack, packing):
    name, content = PACKINGS[packing]
    blocks = unpack(content, name)
    wanted = TEXT if "members" not in packing else b"".join(TEXT[n::3] for n in (0, 1, 2))
    assert joined(blocks) == wanted
    assert max(len(block.raw) for block in blocks) <= 4 << 20
    at = 0
    for block in blocks:
        assert block.position.raw_offset == at
        at += len(block.raw)
        assert block.after.raw_offset == at
    ends = [block.after.bit // 8 for block in blocks]
    assert ends == sorted(ends)
    assert len(content) * 0.6 <= ends[-1] <= len(content)  # tells how far the reading is


@pytest.mark.parametrize("packing", PACKINGS)
def test_reading_starts_again_at_any_block_and_cuts_the_same_blocks(unpack, packing):
    name, content = PACKINGS[packing]
    blocks = unpack(content, name)
    assert len(blocks) > 1 or packing == "plain"
    for k in {0, min(1, len(blocks) - 1), len(blocks) // 2, len(blocks) - 1}:
        assert unpack(content, name, start=blocks[k].position) == blocks[k:]


def test_plain_text_is_read_from_the_place_and_not_from_its_beginning(executor):
    source = MemorySource(TEXT * 8, "x.tsv")
    first, *_, last = iter_unpacked(source, source.object, executor, ahead=2)
    assert first.position.raw_offset == 0
    source.asked.clear()
    again = list(iter_unpacked(source, source.object, executor, ahead=2, start=last.position))
    assert again == [last]
    assert all(start == 0 or start >= last.position.raw_offset for start, _ in source.asked)
    assert sum(n_bytes for start, n_bytes in source.asked if start == 0) <= 512


@pytest.mark.parametrize(
    "name", ["x.bz2", "x.gz", "x.zst", "x.tgz", "x.tsv", "x", "x.tar.gz", "x.sql"]
)
@pytest.mark.parametrize("pack", [gz, zstd, lambda data: bz2.compress(data, 1)])
def test_the_bytes_tell_the_packing_and_not_the_name(unpack, name, pack):
    assert joined(unpack(pack(b"1\ta\n"), name)) == b"1\ta\n"
    assert joined(unpack(pack(tar(("m", b"1\ta\n"))), name)) == b"1\ta\n"


def test_each_packing_is_told_by_its_first_bytes():
    contents = {
        Packing.GZIP: gz(b"x"),
        Packing.ZSTD: zstd(b"x"),
        Packing.BZIP2: bz2.compress(b"x"),
        Packing.SQLITE: b"SQLite format 3\0" + bytes(600),
        Packing.PLAIN: b"BZ is no magic number",
    }
    for packing, content in contents.items():
        source = MemorySource(content, "x")
        assert packing_of(source, source.object) is packing
        assert source.asked == [(0, min(len(content), 512))]


@pytest.mark.parametrize(
    "page",
    [
        b"<!DOCTYPE html><html>",
        b"<html><body>Not found</body></html>",
        b"\xef\xbb\xbf\n  <HTML>",
        b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>',
    ],
)
@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("x.bz2", bytes),
        ("x.tsv", bytes),
        ("x.gz", gz),
        ("x.zst", zstd),
        ("x.bz2", bz2.compress),
        ("x.tgz", lambda data: gz(tar(("a.tsv", data + b"\t")))),
    ],
)
def test_a_web_page_is_said_to_be_one_in_any_packing(unpack, page, name, pack):
    with pytest.raises(SourceDamaged, match=rf"memory:/{name}\b.*web page"):
        unpack(pack(page), name)


@pytest.mark.parametrize("name", ["x.bz2", "x.gz", "x.tgz", "x.zst", "x.sql", "x.tsv", "x"])
def test_an_empty_file_is_damaged(unpack, name):
    with pytest.raises(SourceDamaged, match="file is empty"):
        unpack(b"", name)


@pytest.mark.parametrize("name", ["x.bz2", "x.gz", "x.tgz", "x.zst", "x.sql", "x.sqlite3"])
def test_text_under_the_name_of_a_packing_is_damaged(unpack, name):
    with pytest.raises(SourceDamaged, match=r"as its name promises.*1\\tvalue"):
        unpack(b"1\tvalue\n", name)


@pytest.mark.parametrize("inner", [gz, zstd, bz2.compress, lambda data: tar(("m", data))])
@pytest.mark.parametrize("outer", [gz, zstd, bz2.compress, lambda data: gz(tar(("m\t", data)))])
def test_what_is_packed_twice_is_refused(unpack, inner, outer):
    data = inner(b"1\ta\t" * 9)
    if outer not in (gz, zstd, bz2.compress):
        data += b"\t"
    elif inner not in (gz, zstd, bz2.compress):
        pytest.skip("an archive in a packing is one thing")
    with pytest.raises(SourceDamaged, match="packed twice"):
        unpack(outer(data), "x")


PLACE = re.compile(r"compressed offset ([\d,]+).*?([\d,]+) decompressed bytes in")
STREAMS = {"gzip": gz(TEXT), "zstd": zstd(TEXT), "tgz": gz(ARCHIVE)}


def number(text: str) -> int:
    return int(text.replace(",", ""))


@pytest.mark.parametrize("packing", STREAMS)
@pytest.mark.parametrize("kept", [0.5, 0.01, -1, -3, -9, 0.999])
def test_a_truncated_file_is_said_with_its_place(unpack, packing, kept):
    content = STREAMS[packing]
    cut = content[: int(len(content) * kept) if kept > 0 else kept]
    with pytest.raises(SourceDamaged, match="memory:/x: truncated at") as caught:
        unpack(cut)
    place = PLACE.search(str(caught.value))
    assert place
    assert len(cut) * 0.9 - 1000 <= number(place[1]) <= len(cut)
    assert number(place[2]) <= len(ARCHIVE)
    assert caught.value.exit_code == 4


@pytest.mark.parametrize("packing", ["gzip", "zstd"])
@pytest.mark.parametrize("n_kept", [1, 2, 3, 5, 17])
def test_a_second_member_that_is_cut_is_noticed(unpack, packing, n_kept):
    content = STREAMS[packing]
    with pytest.raises(SourceDamaged, match=r"truncated|damaged"):
        unpack(content + content[:n_kept])


@pytest.mark.parametrize("packing", [*STREAMS, "bzip2"])
@pytest.mark.parametrize("garbage", [b"g", b"garbage" * 100, bytes(1), bytes(5000), b"<html>"])
def test_anything_behind_the_end_is_damage(unpack, packing, garbage):
    content = (STREAMS | {"bzip2": bz2.compress(TEXT, 1)})[packing]
    with pytest.raises(SourceDamaged, match=r"memory:/x: .*compressed offset"):
        unpack(content + garbage)


def test_garbage_behind_gzip_is_told_from_damage_inside(unpack):
    with pytest.raises(SourceDamaged, match="follow the end of the compressed data"):
        unpack(gz(TEXT) + b"garbage")


@pytest.mark.parametrize("packing", ["gzip", "tgz", "zstd with checksum"])
@pytest.mark.parametrize("where", [0.3, 0.5, 0.9])
def test_a_flipped_bit_is_noticed(unpack, packing, where):
    content = bytearray((STREAMS | {"zstd with checksum": CHECKED_ZSTD})[packing])
    content[int(len(content) * where)] ^= 4
    with pytest.raises(SourceDamaged, match=r"damaged at compressed offset [\d,]+") as caught:
        unpack(bytes(content))
    assert PLACE.search(str(caught.value))


def test_frames_without_data_are_skipped(unpack):
    skipped = b"\x53\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"12345"
    empty = zstd(b"")
    assert joined(unpack(skipped + zstd(TEXT) + empty + skipped + zstd(TEXT))) == TEXT + TEXT
    assert joined(unpack(gz(b"") + gz(TEXT) + gz(b"") + gz(b""))) == TEXT


#: Of the command-line tool, ``zstd -19``: it adds a checksum, which Arrow does not.
CHECKED_ZSTD = base64.b64decode(
    "KLUv/WT4AN0EAPLMGxGwV3MYMIShiqiJCJHKHD2pDrN08syYfCUCua5kakku4shnIk+DlVmUIy5kjl0fs34VCHoJql"
    "OLegmmX0n6WDuHPWKis45PxfiZgBcVp5Z43fAr4TPlLI8gp91T9o3gkppKF+eTp5NHgGAoDA6ACCeoECTGtTmw0xYD"
    "EAa+Axu2PU/ELd5jwHuknQCI4hzuMOnNip0CFS0FcS4Apg=="
)


def test_a_file_of_the_command_line_tool_is_read(unpack):
    assert joined(unpack(CHECKED_ZSTD)) == b"".join(
        b"%d\tvalue %d\n" % (n, n * n) for n in range(40)
    )


def test_a_window_that_memory_cannot_hold_is_refused(unpack):
    frame = b"\x28\xb5\x2f\xfd\x00" + bytes([(31 - 10) << 3]) + b"\x09\0\0a"  # 2 GiB
    with pytest.raises(SourceDamaged, match="window of more than 128 MiB"):
        unpack(frame)


LONG = "folder/" + "long-" * 60 + "name"


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_members_with_data_are_joined_in_the_archive_s_order(unpack, form):
    members = [
        ("._yfcc100m_dataset-3", b"\0\5\x16\7" + b"\t" * 200),
        ("folder/README", b"no tabs at all\n" * 900),
        ("folder/yfcc100m_dataset-3", b"3\ta\n"),
        ("folder/.DS_Store", b"\t\t"),
        ("folder/empty", b""),
        (LONG if form != tarfile.USTAR_FORMAT else "b", b"1\tb"),  # without its last newline
        ("ünïcode" if form == tarfile.PAX_FORMAT else "c", b"2\tc\n4\td"),
    ]
    assert joined(unpack(gz(tar(*members, form=form)))) == b"3\ta\n1\tb\n2\tc\n4\td\n"


def test_other_kinds_of_members_are_passed_over(unpack):
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w") as archive:
        for kind in (tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE):
            info = tarfile.TarInfo("x")
            info.type, info.linkname = kind, "elsewhere" * 20
            archive.addfile(info)
        info = tarfile.TarInfo("data")
        info.size = 4
        archive.addfile(info, io.BytesIO(b"1\ta\n"))
    assert joined(unpack(sink.getvalue())) == b"1\ta\n"


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_a_member_of_more_than_8_gib_is_announced_in_full(unpack, form):
    info = tarfile.TarInfo("yfcc100m_dataset")
    info.size = 40 << 30
    data = b"1\tabc\n" * 200
    with pytest.raises(SourceDamaged, match="inside a member") as caught:
        unpack(gz(info.tobuf(form) + data))
    # All of what is there was taken for the member's, none for a header.
    assert f"{len(info.tobuf(form)) + len(data):,} decompressed" in str(caught.value)


def test_an_archive_from_before_ustar_is_read(unpack):
    header = bytearray(tar(("m", b"1\ta\n"))[:512])
    header[257:265] = bytes(8)
    header[156:157] = b"\0"
    header[148:156] = b"%06o\0 " % (sum(header[:148]) + 256 + sum(header[156:]))
    assert joined(unpack(bytes(header) + tar(("m", b"1\ta\n"))[512:], "x")) == b"1\ta\n"


@pytest.mark.parametrize(
    ("archive", "says"),
    [
        (ARCHIVE[: 512 + 1000], "inside a member"),
        (ARCHIVE[: -(-(512 + len(TEXT)) // 512) * 512], "before the end mark"),
        (ARCHIVE + b"x", "follow the archive's end mark"),
        (tar(("a", b"1\ta\n"))[:1024] + b"nonsense" * 128, "no header"),
        (tar(("a", b"no tabs"), ("b", b"")), "holds lines with tabs; found a, b"),
        (tar(("._a", b"\t")), "holds lines with tabs"),
    ],
)
@pytest.mark.parametrize("pack", [bytes, gz, zstd, bz2.compress])
def test_a_damaged_archive_is_said_whatever_packs_it(unpack, archive, says, pack):
    with pytest.raises(SourceDamaged, match=says):
        unpack(pack(archive), "x")


@pytest.mark.parametrize("kind", [b"S", b"M", b"V"])
def test_a_member_whose_content_is_spread_is_refused(unpack, kind):
    info = tarfile.TarInfo("m")
    info.type = kind
    with pytest.raises(SourceDamaged, match="member of kind"):
        unpack(info.tobuf(tarfile.GNU_FORMAT) + bytes(1024), "x")


# SQLite


def database(
    path: Path, rows: list[dict[str, Any]], columns: tuple[str, ...] = TABLE_COLUMNS
) -> Path:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"CREATE TABLE {TABLE} ({', '.join(columns)})")
        for row in rows:
            values = [row[name] for name in COLUMNS_V1][: len(columns)]
            connection.execute(
                f"INSERT INTO {TABLE} VALUES ({', '.join('?' for _ in values)})", values
            )
        connection.commit()
    return path


def read(path: Path | str, executor, start: BlockPosition | None = None) -> list[RawBlock]:
    source = open_source(str(path))
    (found,) = source.list_objects()
    return list(iter_unpacked(source, found, executor, ahead=2, start=start))


def test_rows_of_sqlite_become_lines_of_23_columns(tmp_path, executor):
    rows = [
        fields(5),
        fields(6) | {"longitude": -1.2e-05, "latitude": 0.1 + 0.2, "accuracy": 16, "photo_id": 6},
        fields(7) | dict.fromkeys(("title", "longitude", "latitude", "accuracy")),
        fields(8) | {"title": b"\xff\0", "description": "ü"},
    ]
    lines = joined(read(database(tmp_path / "x.sql", rows), executor)).split(b"\n")
    expected = [
        "\t".join("" if row[name] is None else str(row[name]) for name in COLUMNS_V1).encode()
        for row in rows[:3]
    ]
    assert lines[:3] == expected
    assert b"\t0.30000000000000004\t" in lines[1]
    assert lines[3].split(b"\t")[6:8] == [b"\xff\0", "ü".encode()]
    assert lines[4:] == [b""]


@pytest.mark.parametrize("sign", ["\t", "\n", "a\n\tb"])
def test_a_row_that_cannot_be_a_line_is_one_line_with_a_column_too_many(tmp_path, executor, sign):
    rows = [fields(5), fields(6, title=f"A{sign}B"), fields(7)]
    lines = joined(read(database(tmp_path / "x.sql", rows), executor)).split(b"\n")
    assert [line.count(b"\t") for line in lines] == [22, 23 + sign.count("\t"), 22, 0]
    assert lines[1].startswith(b"6\t")
    assert lines[1].endswith(b"\tSQLite row 2: a tab or a newline inside title")


def test_reading_of_sqlite_starts_again_at_any_block(tmp_path, executor):
    path = tmp_path / "x.sql"
    database(path, [fields(n, description="x" * 900) for n in range(1, 4001)])
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"DELETE FROM {TABLE} WHERE rowid % 7 < 3")
        connection.execute(f"UPDATE {TABLE} SET rowid = 1000000 + rowid * 5")
        connection.execute(f"UPDATE {TABLE} SET rowid = rowid - 1009999")
        connection.commit()
    blocks = read(path, executor)
    assert len(blocks) > 2
    for k, block in enumerate(blocks):
        assert read(path, executor, block.position) == blocks[k:]
        assert block.position.bit // 8 <= block.after.bit // 8 <= path.stat().st_size


@pytest.mark.parametrize("kept", [200, 5_000, 0.5, -1])
def test_a_truncated_database_is_damaged(tmp_path, executor, kept):
    path = database(tmp_path / "x.sql", [fields(n) for n in range(1, 500)])
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept) if isinstance(kept, float) else kept])
    with pytest.raises(SourceDamaged, match=r"x\.sql: truncated: expected [\d,]+ bytes"):
        read(path, executor)


def test_a_damaged_page_of_a_database_is_noticed(tmp_path, executor):
    path = database(tmp_path / "x.sql", [fields(n) for n in range(1, 500)])
    content = bytearray(path.read_bytes())
    content[4096 * 5 : 4096 * 5 + 200] = RNG.randbytes(200)
    path.write_bytes(content)
    with pytest.raises(SourceDamaged, match=r"x\.sql: SQLite cannot read it"):
        read(path, executor)


def test_a_database_with_another_table_is_refused(tmp_path, executor):
    with closing(sqlite3.connect(tmp_path / "x.sql")) as connection:
        connection.execute("CREATE TABLE cats (name)")
    with pytest.raises(SourceDamaged, match="expected a table yfcc100m_dataset, got cats"):
        read(tmp_path / "x.sql", executor)


def test_a_database_that_lacks_columns_is_refused(tmp_path, executor):
    path = database(tmp_path / "x.sql", [], TABLE_COLUMNS[:-2])
    with pytest.raises(SourceDamaged, match="it lacks ext, marker and has photoid"):
        read(path, executor)


def test_a_database_without_rows_has_no_blocks(tmp_path, executor):
    assert read(database(tmp_path / "x.sql", []), executor) == []


def test_a_database_that_is_written_to_is_refused(tmp_path, executor):
    path = database(tmp_path / "x.sql", [fields(1)])
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"DELETE FROM {TABLE}")
        connection.commit()
        with pytest.raises(SourceChanged, match=r"x\.sql-wal lies beside it"):
            read(path, executor)


def test_a_database_is_opened_under_any_name_and_left_as_it_was(tmp_path, executor):
    path = database(tmp_path / "a ?#%41 ü.bin", [fields(1)])
    before = (path.read_bytes(), path.stat().st_mtime_ns)
    assert joined(read(path, executor)).startswith(b"1\t")
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


# Landing


CONTENT = RNG.randbytes(100_000)


def test_a_remote_file_lands_whole_once(tmp_path):
    source, landing = MemorySource(CONTENT), Landing(tmp_path / "l", spare_bytes=0)
    path = landing.path_of(source, source.object)
    assert path.read_bytes() == CONTENT
    source.asked.clear()
    assert landing.path_of(source, source.object) == path
    assert source.asked == []
    landing.clear()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("n_there", [1, 29_999, 30_000, 30_001, 60_001, 99_999, 100_000])
def test_a_file_that_was_cut_goes_on_at_the_last_byte_known_to_be_durable(tmp_path, n_there):
    source = MemorySource(CONTENT)
    landing = Landing(tmp_path, sync_bytes=30_000, spare_bytes=0)
    path = landing.path_of(source, source.object)
    # A crash may leave the end as zeros.
    durable = (n_there - 1) // 30_000 * 30_000
    path.with_suffix(".part").write_bytes(CONTENT[:durable] + bytes(n_there - durable))
    path.unlink()
    source.asked.clear()
    assert landing.path_of(source, source.object).read_bytes() == CONTENT
    assert source.asked == [(durable, len(CONTENT) - durable)]


def test_another_version_starts_anew_and_the_old_one_goes(tmp_path):
    landing = Landing(tmp_path, spare_bytes=0)
    old, new = MemorySource(CONTENT), MemorySource(CONTENT[::-1])
    first = landing.path_of(old, old.object)
    (tmp_path / "mine.part").write_bytes(b"a user's")
    second = landing.path_of(new, new.object)
    assert second.read_bytes() == CONTENT[::-1]
    assert not first.exists()
    landing.clear()
    assert [path.name for path in tmp_path.iterdir()] == ["mine.part"]


def test_without_space_nothing_is_fetched(tmp_path):
    source, landing = MemorySource(CONTENT), Landing(tmp_path, spare_bytes=1 << 60)
    with pytest.raises(TargetError, match="needs 100,000 bytes on disk") as caught:
        landing.path_of(source, source.object)
    assert caught.value.exit_code == 6
    assert source.asked == []


def test_a_link_where_a_file_should_land_is_not_followed(tmp_path):
    source, landing = MemorySource(CONTENT), Landing(tmp_path / "l", spare_bytes=0)
    part = landing.path_of(source, source.object).with_suffix(".part")
    landing.drop(part.with_suffix(".sqlite"))
    (tmp_path / "precious").write_bytes(b"precious")
    part.symlink_to(tmp_path / "precious")
    with pytest.raises(TargetError):
        landing.path_of(source, source.object)
    assert (tmp_path / "precious").read_bytes() == b"precious"


def test_a_database_that_is_elsewhere_needs_a_place_to_land(executor):
    source = MemorySource(b"SQLite format 3\0" + bytes(600))
    with pytest.raises(SourceError, match="cannot be read as a stream"):
        list(iter_unpacked(source, source.object, executor, ahead=1))


def test_a_landed_database_that_is_damaged_does_not_stay(tmp_path, executor):
    path = database(tmp_path / "x.sql", [fields(n) for n in range(1, 500)])
    source = MemorySource(path.read_bytes()[:-1])
    landing = Landing(tmp_path / "landed", spare_bytes=0)
    with pytest.raises(SourceDamaged, match="truncated"):
        list(iter_unpacked(source, source.object, executor, ahead=1, landing=landing))
    assert list((tmp_path / "landed").iterdir()) == []
