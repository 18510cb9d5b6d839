"""``import yfcc``: the catalog, the mirror and the exports, from Python."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
from pathlib import Path

import orjson
import pyarrow as pa
import pytest

import yfcc
from tests.fakes.demo_places import export_demo
from tests.fakes.mirror_checks import download
from tests.fakes.mirror_items import media_bytes
from yfcc.api.samples import ExportPieces, MirrorPieces, Pieces, Sample
from yfcc.catalog.parquet import open_items
from yfcc.catalog.reader import Catalog
from yfcc.catalog.select import Selection
from yfcc.demo.run import DemoPlaces
from yfcc.errors import SourceDamaged, SourceMissing, UsageError
from yfcc.model import Outcome


def test_importing_yfcc_loads_nothing_heavy() -> None:
    check = (
        "import sys, yfcc; assert 'open_catalog' in dir(yfcc); "
        "heavy = {'duckdb', 'pyarrow', 'polars', 'numpy', 'boto3'} & set(sys.modules); "
        "assert not heavy, heavy; yfcc.open_catalog; assert 'duckdb' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", check], check=True, timeout=60)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        yfcc.nonsense  # type: ignore[attr-defined] # noqa: B018


def test_the_typed_names_are_those_that_there_are() -> None:
    stub = Path(yfcc.__file__).with_suffix(".pyi").read_text()
    offered = set(re.findall(r'^    "(\w+)",$', stub, re.MULTILINE))
    assert offered == {"__version__", *yfcc._OFFERED}
    assert offered <= set(dir(yfcc))
    for name in offered:
        assert getattr(yfcc, name).__doc__


def test_tables_rows_and_relation_are_the_same_items(doctest_demo: DemoPlaces) -> None:
    with yfcc.open_catalog(doctest_demo.catalog) as catalog:
        photos = catalog.select(media="photo", where="line_number % 3 = 0")
        ids = [row["photo_id"] for row in photos]
        assert len(photos) == len(ids) > 5
        assert photos.arrow()["photo_id"].to_pylist() == ids
        assert photos.polars(["photo_id", "title"])["photo_id"].to_list() == ids
        assert [batch.num_columns for batch in photos.batches(["photo_id"])] == [1]
        related = photos.relation(["photo_id"])
        assert {row[0] for row in related.fetchall()} == set(ids)
        assert related.filter(f"photo_id = {ids[0]}").fetchall() == [(ids[0],)]
        assert photos.query("SELECT list(photo_id) FROM selected").item().to_list() == ids
        assert {credit.photo_id for credit in photos.credits()} == set(ids)
        assert sum(photos.count_licenses().values()) == len(ids)
        assert "line_number % 3 = 0" in photos.sql()
        assert len(catalog) > len(photos)  # selecting leaves the catalog as it is


def test_the_table_is_what_export_parquet_writes(doctest_demo: DemoPlaces) -> None:
    with yfcc.open_catalog(doctest_demo.catalog) as catalog:
        table = catalog.arrow()
        few = catalog.arrow(["date_uploaded", "photo_id"])
    with Catalog(doctest_demo.catalog) as reader, open_items(reader, Selection(), 1000) as batches:
        assert table.equals(batches.read_all())
    assert few.schema.field("date_uploaded").type == pa.timestamp("us", tz="UTC")
    assert few.equals(table.select(["date_uploaded", "photo_id"]))


def test_wrong_names_are_usage_errors_with_the_nearest_ones(doctest_demo: DemoPlaces) -> None:
    with yfcc.open_catalog(doctest_demo.catalog) as catalog:
        with pytest.raises(UsageError, match="Did you mean title"):
            catalog.arrow(["titel"])
        with pytest.raises(UsageError, match="at least one column"):
            catalog.polars([])
        with pytest.raises(UsageError, match="column 'photo_id FROM items; --'"):
            catalog.relation(["photo_id FROM items; --"])
        for ask in (list, lambda nowhere: nowhere.arrow(), lambda nowhere: nowhere.relation(), len):
            with pytest.raises(UsageError, match="Atlantis"):
                ask(catalog.select(country="Atlantis"))
        with pytest.raises(UsageError, match="expected one SELECT"):
            catalog.query("DROP TABLE items")
    with pytest.raises(SourceMissing, match="no catalog there"):
        yfcc.open_catalog("nowhere.duckdb")


def test_a_mirror_gives_bytes_and_all_that_is_known(doctest_demo: DemoPlaces) -> None:
    with yfcc.open_mirror(doctest_demo.mirror, doctest_demo.catalog) as mirror:
        few = mirror.select(license="by-nc-sa")
        items = list(few)
        assert len(items) == len(few) > 2
        for item in items:
            assert item.read_media() == media_bytes(item.photo_id)
            assert item.document["metadata"]["license"] == "by-nc-sa"
        assert mirror.status().outcomes == {"stored": len(mirror)}
    with (
        yfcc.open_mirror(doctest_demo.mirror) as mirror,
        pytest.raises(UsageError, match="a selection is made of the catalog"),
    ):
        mirror.select(license="by")
    with pytest.raises(UsageError, match="no mirror at nowhere"):
        yfcc.open_mirror("nowhere")


def test_a_catalog_that_was_open_stays_so(doctest_demo: DemoPlaces) -> None:
    with yfcc.open_catalog(doctest_demo.catalog) as catalog:
        with yfcc.open_mirror(doctest_demo.mirror, catalog) as mirror:
            assert len(mirror.select(media="photo")) == len(mirror)
        assert len(catalog) > 0


@pytest.fixture(scope="module", params=["mirror", "selected", "webdataset", "imagefolder"])
def pieces(
    request: pytest.FixtureRequest,
    doctest_demo: DemoPlaces,
    tmp_path_factory: pytest.TempPathFactory,
) -> Pieces:
    if request.param == "mirror":
        return MirrorPieces(doctest_demo.mirror)
    if request.param == "selected":
        return MirrorPieces(doctest_demo.mirror, doctest_demo.catalog, Selection(media="photo"))
    out = tmp_path_factory.mktemp("export") / request.param
    return ExportPieces(export_demo(doctest_demo, request.param, out, n_items=7))


def all_samples(pieces: Pieces) -> dict[int, Sample]:
    samples = list(pieces.iter_samples(range(len(pieces))))
    found = {sample["photo_id"]: sample for sample in samples}
    assert len(found) == len(samples)
    return found


def test_samples_are_all_stored_items_with_their_bytes(
    pieces: Pieces, doctest_demo: DemoPlaces
) -> None:
    assert len(pieces) > 5
    samples = all_samples(pieces)
    with yfcc.open_mirror(doctest_demo.mirror) as mirror:
        known = {item.photo_id: item.document for item in mirror}
    assert samples.keys() == known.keys()
    for photo_id, sample in samples.items():
        assert sample["media"] == media_bytes(photo_id)
        assert sample["extension"] == "jpg"
        title = known[photo_id]["metadata"]["title"]
        assert sample["caption"].startswith(title or "")
        assert sample["document"]["attribution"]["author"]


def test_pieces_come_in_the_order_that_is_asked_for(pieces: Pieces) -> None:
    def ids(*numbers: int) -> list[int]:
        return [sample["photo_id"] for sample in pieces.iter_samples(numbers)]

    assert ids(2, 0) == ids(2) + ids(0)
    assert ids() == []


def test_a_selection_picks_the_samples(doctest_demo: DemoPlaces) -> None:
    few = MirrorPieces(doctest_demo.mirror, doctest_demo.catalog, Selection(license=("by",)))
    licenses = {each["document"]["metadata"]["license"] for each in all_samples(few).values()}
    assert licenses == {"by"}
    with pytest.raises(UsageError, match="made of the catalog"):
        MirrorPieces(doctest_demo.mirror, None, Selection(license=("by",)))


def test_what_is_no_export_or_a_damaged_one_says_so(
    doctest_demo: DemoPlaces, tmp_path: Path
) -> None:
    with pytest.raises(SourceMissing, match="no finished export there"):
        ExportPieces(tmp_path)
    out = export_demo(doctest_demo, "webdataset", tmp_path / "export", n_items=1000)
    (archive,) = out.glob("shards/*.tar")
    whole = archive.read_bytes()
    archive.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SourceDamaged, match="not as the export wrote it"):
        all_samples(ExportPieces(out))
    with tarfile.open(archive, "w"):
        pass
    assert all_samples(ExportPieces(out)) == {}
    manifest = orjson.loads((out / "yfcc-export.json").read_bytes())
    for change, error in (
        ({"form": "tsv"}, UsageError),
        ({"pieces": [manifest["pieces"][0] | {"path": "../../etc/passwd"}]}, SourceDamaged),
    ):
        (out / "yfcc-export.json").write_bytes(orjson.dumps(manifest | change))
        with pytest.raises(error):
            ExportPieces(out)


def test_items_that_are_gone_are_no_samples(doctest_demo: DemoPlaces, tmp_path: Path) -> None:
    from tests.fakes.mirror_items import FakeAcquire, make_items

    items = make_items(20)
    gone = {item.photo_id for item in items[::3]}

    def outcome_of(photo_id: int) -> Outcome:
        return Outcome.GONE if photo_id in gone else Outcome.STORED

    download(tmp_path / "mirror", items, FakeAcquire(outcome_of))
    assert (
        all_samples(MirrorPieces(tmp_path / "mirror")).keys()
        == {item.photo_id for item in items} - gone
    )
