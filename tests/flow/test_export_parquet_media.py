"""Tables with pictures inside, or with the paths where a mirror has them."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tests.conftest import SampleAt
from tests.fakes.exporting import N_LINES, Mirrored, mirror_sample
from yfcc.catalog.reader import Catalog
from yfcc.catalog.select import Selection
from yfcc.errors import VerifyError
from yfcc.share.copies import CopyRules
from yfcc.share.parquet import ParquetRequest, ParquetSummary, export_parquet
from yfcc.share.parquet_media import Images, MediaSource

SELECTION = Selection(lines=f"0-{N_LINES + 9}")


@pytest.fixture(scope="module")
def mirrored(tmp_path_factory: pytest.TempPathFactory, sample: SampleAt) -> Mirrored:
    return mirror_sample(sample, tmp_path_factory.mktemp("mirrored"))


def export(
    mirrored: Mirrored,
    out: Path,
    images: Images,
    size: int | None = None,
    group_bytes: int = 1 << 30,
    **options: object,
) -> ParquetSummary:
    rules = CopyRules(size=size, now_utc=datetime(2026, 11, 21, tzinfo=UTC))
    media = MediaSource(str(mirrored.mirror), images, rules, group_bytes)
    return export_parquet(
        ParquetRequest(mirrored.catalog, str(out), SELECTION, media=media, **options)  # type: ignore[arg-type]
    )


def read(out: Path) -> dict[int, dict]:
    rows = pl.read_parquet(out / "items" / "**" / "*.parquet").to_dicts()
    return {row["photo_id"]: row for row in rows}


@pytest.mark.parametrize("images", [Images.BYTES, Images.PATHS])
def test_every_stored_item_is_a_row_with_its_media(
    mirrored: Mirrored, tmp_path: Path, images: Images
) -> None:
    summary = export(mirrored, tmp_path / "out", images)
    rows, documents = read(tmp_path / "out"), mirrored.documents()
    assert rows.keys() == documents.keys()
    assert summary.stored is not None
    assert summary.n_rows == summary.stored.n_given == len(rows)
    assert summary.stored.n_selected == len(rows) + summary.stored.n_not_stored
    assert summary.stored.n_not_stored >= 10
    with Catalog(mirrored.catalog) as catalog:
        cursor = catalog.connection.execute("SELECT photo_id, title, photo_hash FROM items")
        known = {photo_id: told for photo_id, *told in cursor.fetchall()}
    for photo_id, row in rows.items():
        content = mirrored.media(documents[photo_id]).read_bytes()
        assert row["sha256"] == hashlib.sha256(content).hexdigest()
        assert row["n_bytes"] == len(content)
        assert [row["title"], row["photo_hash"]] == known[photo_id]
        if images is Images.BYTES:
            assert row["media"]["bytes"] == content
        else:
            assert row["media"]["bytes"] is None
            assert (mirrored.mirror / row["media"]["path"]).read_bytes() == content
        duties = row["license"].upper().split("-")[1:]
        assert row["duties"] == duties
    with (tmp_path / "out" / "ATTRIBUTION.csv").open(newline="") as lines:
        assert {int(row["photo_id"]) for row in csv.DictReader(lines)} == rows.keys()
    subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=tmp_path / "out", check=True)


def test_row_groups_and_files_are_bounded_by_bytes_and_rows(
    mirrored: Mirrored, tmp_path: Path
) -> None:
    bounds = {"partition_by": (), "file_rows": 40, "group_bytes": 500_000}
    export(mirrored, tmp_path / "out", Images.BYTES, **bounds)
    paths = sorted((tmp_path / "out" / "items").glob("*.parquet"))
    assert next(pq.ParquetFile(path).metadata.num_rows for path in paths) == 40
    assert pq.ParquetFile(paths[0]).num_row_groups > 2


def test_pictures_inside_are_made_smaller_unless_their_licence_forbids_it(
    mirrored: Mirrored, tmp_path: Path
) -> None:
    summary = export(mirrored, tmp_path / "out", Images.BYTES, 64)
    rows = read(tmp_path / "out").values()
    smaller = [row for row in rows if row["changes"] != "none"]
    assert summary.notes["made smaller"] == len(smaller) > 5
    for row in smaller:
        assert "nd" not in row["license"]
        with Image.open(io.BytesIO(row["media"]["bytes"])) as image:
            assert min(image.size) == 64
            assert image.size == (row["width"], row["height"])


def test_datasets_loads_the_table(mirrored: Mirrored, tmp_path: Path) -> None:
    export(mirrored, tmp_path / "out", Images.BYTES)
    names = pq.read_schema(next((tmp_path / "out").rglob("*.parquet")))
    for column in names:
        assert not str(column.type).startswith("map"), "datasets knows no maps"
    head = (tmp_path / "out" / "README.md").read_text().partition("\n---\n")[0]
    assert 'path: "items/**/*.parquet"' in head
    facts = json.loads((tmp_path / "out" / "croissant.json").read_bytes())
    assert {each["@id"] for each in facts["recordSet"]} == {"credits", "items"}


def test_changed_media_end_the_export_and_nothing_appears(sample: SampleAt, tmp_path: Path) -> None:
    mirrored = mirror_sample(sample, tmp_path)
    photo_id, document = next(iter(mirrored.documents().items()))
    path = mirrored.media(document)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(VerifyError, match=rf"item {photo_id}.*yfcc verify --repair"):
        export(mirrored, tmp_path / "out", Images.BYTES)
    assert not (tmp_path / "out").exists()
