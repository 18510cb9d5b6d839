"""The ledger as a table."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.fakes.mirror_checks import COLUMNS, download, read_records
from tests.fakes.mirror_disk import FailingDisk
from tests.fakes.mirror_items import FakeAcquire, make_items
from yfcc.errors import TargetError
from yfcc.mirror.downloads import DOWNLOADS_SCHEMA, iter_download_tables, write_downloads_parquet
from yfcc.model import Outcome


def read_table(root: Path) -> pa.Table:
    return pa.concat_tables(iter_download_tables(root))


def test_columns_are_those_of_the_contract() -> None:
    assert DOWNLOADS_SCHEMA.names == COLUMNS


def test_each_item_has_one_row_with_its_latest_record(tmp_path: Path) -> None:
    items = make_items(50)
    download(tmp_path, items, FakeAcquire(lambda _: Outcome.FAILED))
    download(tmp_path, items[:30])
    table = read_table(tmp_path)
    assert table.schema == DOWNLOADS_SCHEMA
    rows = {row["photo_id"]: row for row in table.to_pylist()}
    assert len(rows) == table.num_rows == 50
    for photo_id, record in read_records(tmp_path).items():
        row = rows[photo_id]
        fetched_at = row.pop("fetched_at")
        assert fetched_at == datetime.fromisoformat(record["fetched_at"])
        assert abs(fetched_at - datetime.now(UTC)) < timedelta(minutes=5)
        assert row == {name: record[name] for name in row}


def test_what_is_torn_is_no_row(tmp_path: Path) -> None:
    download(tmp_path, make_items(5))
    for ledger in tmp_path.glob("ledger/*.jsonl"):
        with ledger.open("ab") as file:
            file.write(ledger.read_bytes().split(b"\n")[0].replace(b"stored", b"gone") + b"\n")
    assert set(read_table(tmp_path)["outcome"].to_pylist()) == {"stored"}


def test_an_empty_mirror_makes_an_empty_file(tmp_path: Path) -> None:
    download(tmp_path / "mirror", [])
    assert list(iter_download_tables(tmp_path / "mirror")) == []
    assert write_downloads_parquet(tmp_path / "mirror", tmp_path / "downloads.parquet") == 0
    assert pq.read_schema(tmp_path / "downloads.parquet").names == COLUMNS


def test_the_parquet_file_holds_every_row(tmp_path: Path) -> None:
    download(tmp_path / "mirror", make_items(50))
    target = tmp_path / "downloads.parquet"
    target.write_bytes(b"an older one")
    assert write_downloads_parquet(tmp_path / "mirror", target) == 50
    assert pq.read_table(target).equals(read_table(tmp_path / "mirror"))
    assert {path.name for path in tmp_path.iterdir()} == {"mirror", "downloads.parquet"}


@pytest.mark.parametrize("operation", ["fsync", "rename"])
def test_a_parquet_file_that_fails_leaves_the_older_one(tmp_path: Path, operation: str) -> None:
    download(tmp_path / "mirror", make_items(5))
    target = tmp_path / "downloads.parquet"
    target.write_bytes(b"an older one")
    with pytest.raises(TargetError, match=r"downloads\.parquet"):
        write_downloads_parquet(tmp_path / "mirror", target, FailingDisk(operation, 1))
    assert target.read_bytes() == b"an older one"
    assert {path.name for path in tmp_path.iterdir()} == {"mirror", "downloads.parquet"}
