"""Which files make an edition, and which columns the dataset has."""

from __future__ import annotations

import pytest

from tests.fakes.rows import line_v1, line_v2
from yfcc.errors import SourceDamaged, SourceMissing
from yfcc.metadata.layouts import (
    COLUMNS_V1,
    COLUMNS_V2,
    Pack,
    columns_of,
    find_edition,
    is_file_name,
    names_to_try,
)

V2 = [f"yfcc100m_{each}.bz2" for each in ("dataset", "autotags", "exif", "places")]
PARTS = [f"yfcc100m_dataset-{part}.bz2" for part in range(10)]
V1 = [*PARTS, "yfcc100m_hash.bz2", "yfcc100m_autotags-v1.bz2"]
MMCOMMONS = [f"yfcc100m_{each}.tgz" for each in ("dataset", "hash", "lines", "autotags-v1", "exif")]


@pytest.mark.parametrize(
    ("names", "name", "n_datasets", "packs", "missing"),
    [
        (V2, "v2", 1, "autotags exif places", ()),
        (V1, "v1", 10, "autotags hash", ()),
        (MMCOMMONS, "mmcommons", 1, "autotags exif hash", ()),
        (["yfcc100m_dataset.sql"], "sqlite", 1, "", ("autotags", "exif", "places")),
        ([*V2, *V1], "v2", 1, "autotags exif places hash", ()),
        (V2[:1], "v2", 1, "", ("autotags", "exif", "places")),
        (PARTS, "v1", 10, "", ("autotags", "hash")),
    ],
)
def test_each_edition_is_known_by_its_files(names, name, n_datasets, packs, missing):
    found = find_edition(names, "here")
    assert (found.name, len(found.datasets), found.missing) == (name, n_datasets, missing)
    assert {pack.value for pack in found.packs} == set(packs.split())


SUFFIXES = [
    *("", ".tsv", ".csv", ".txt", ".gz", ".tsv.gz", ".csv.gz", ".zst", ".tsv.zst", ".bz2"),
    *(".tsv.bz2", ".tgz", ".tar.gz", ".tar", ".tar.bz2", ".tar.zst", ".sql", ".sqlite", ".db"),
]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_is_found_under_any_of_its_suffixes(suffix):
    dataset, exif = f"yfcc100m_dataset{suffix}", f"yfcc100m_exif{suffix}"
    found = find_edition([exif, dataset, "README.txt", "yfcc100m_dataset.md5"], "here")
    assert found.datasets == (dataset,)
    assert found.packs == {Pack.EXIF: exif}
    assert found.unused == ()


@pytest.mark.parametrize("suffix", [".gz", ".tsv.zst", "", ".tgz"])
def test_the_ten_files_may_have_any_packing(suffix):
    names = [f"yfcc100m_dataset-{part}{suffix}" for part in range(10)]
    assert find_edition(reversed(names), "here").datasets == tuple(names)
    with pytest.raises(SourceMissing, match=f"{names[7]} not found"):
        find_edition([*names[:7], *names[8:]], "here")


def test_of_a_file_in_two_packings_the_published_one_is_read_and_the_other_said():
    names = ["yfcc100m_dataset.tsv", "yfcc100m_dataset.bz2", "yfcc100m_exif.gz", "yfcc100m_exif"]
    found = find_edition(names, "here")
    assert found.datasets == ("yfcc100m_dataset.bz2",)
    assert found.packs == {Pack.EXIF: "yfcc100m_exif.gz"}
    assert found.remarks == (
        "yfcc100m_dataset.tsv: not read, yfcc100m_dataset.bz2 is preferred",
        "yfcc100m_exif: not read, yfcc100m_exif.gz is preferred",
    )


def test_the_lines_pack_is_said_to_be_unread():
    (remark,) = find_edition(MMCOMMONS, "here").remarks
    assert remark.startswith("yfcc100m_lines.tgz: not read")


def test_the_autotags_of_the_dataset_s_own_edition_are_preferred():
    both = ["yfcc100m_autotags.bz2", "yfcc100m_autotags-v1.bz2"]
    assert find_edition([*V2, *both], "here").packs[Pack.AUTOTAGS] == both[0]
    assert find_edition([*PARTS, *both], "here").packs[Pack.AUTOTAGS] == both[1]


@pytest.mark.parametrize("url", ["/data/copy.bin", "s3://bucket/prefix/copy.bin"])
def test_a_file_that_is_the_source_is_the_dataset_whatever_its_name(url):
    assert find_edition(["copy.bin"], url).datasets == ("copy.bin",)
    for other in ("/data", "/data/old-copy.bin", "s3://bucket/copy.bin/"):
        with pytest.raises(SourceMissing, match="expected yfcc100m_dataset"):
            find_edition(["copy.bin"], other)


def test_what_is_read_corrects_what_the_names_say():
    found = find_edition(["yfcc100m_dataset.tsv"], "here")
    assert found.as_read(COLUMNS_V2).name == "v2"
    assert found.as_read(COLUMNS_V1).name == "v1"
    assert found.as_read(COLUMNS_V1).missing == ("autotags", "hash")
    assert found.as_read(None) == found
    assert find_edition(MMCOMMONS, "here").as_read(COLUMNS_V1).name == "mmcommons"
    assert find_edition(MMCOMMONS, "here").as_read(COLUMNS_V2).name == "v2"
    assert found.as_packed(is_database=True).name == "sqlite"
    database = find_edition(["yfcc100m_dataset.db"], "here")
    assert database.as_packed(is_database=True).as_read(COLUMNS_V1).name == "sqlite"
    assert database.as_packed(is_database=False).as_read(COLUMNS_V1).name == "v1"


def test_the_names_that_are_tried_make_every_published_edition():
    published, others = names_to_try()
    assert set(V2) | set(V1) | {"yfcc100m_dataset.sql"} <= set(published)
    # Line numbers of mmcommons are not read, so nobody asks for them.
    assert set(MMCOMMONS) - {"yfcc100m_lines.tgz"} <= set(published)
    assert len(published) == len(set(published)) <= 24
    assert find_edition(others, "here").name == "v2"


@pytest.mark.parametrize("name", ["yfcc100m_dataset", "x.sql", "a.tsv.gz", "rows.zst"])
def test_a_metadata_file_is_told_from_a_folder(name):
    assert is_file_name(name)


@pytest.mark.parametrize("name", ["", "v2", "folder", "yfcc100m", "release-1.2"])
def test_a_folder_is_told_from_a_metadata_file(name):
    assert not is_file_name(name)


def test_columns_are_told_by_tabs():
    assert columns_of([line_v2(1), b"damaged"], "f") == COLUMNS_V2
    assert columns_of([b"damaged", line_v1(1)], "f") == COLUMNS_V1


def test_commas_between_columns_are_refused_by_name():
    lines = [line_v2(n).replace(b"\t", b",") for n in (1, 2)]
    with pytest.raises(SourceDamaged, match=r"f.csv: expected tabs .* got commas"):
        columns_of([*lines, b""], "f.csv")


def test_other_lines_are_no_dataset():
    with pytest.raises(SourceDamaged, match=r"got \[2\] columns"):
        columns_of([b"1\ta:0.5,b:0.5"], "f")
