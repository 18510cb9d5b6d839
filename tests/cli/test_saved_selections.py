"""Selections saved by name: what is in them, where they hold, and where they do not."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
from pathlib import Path

import pytest

from tests.conftest import RunYfcc
from tests.fakes.small_catalog import write_small_catalog
from yfcc.cli.main import app
from yfcc.errors import YfccError


@pytest.fixture
def catalog(tmp_path: Path) -> str:
    return str(write_small_catalog(tmp_path / "mine" / "catalog.duckdb"))


def digest_of(*photo_ids: int) -> str:
    return hashlib.sha256("".join(f"{each}\n" for each in photo_ids).encode()).hexdigest()


COUNT = "SELECT count(*) AS n, min(photo_id) AS first FROM selected"


def test_a_selection_is_saved_shown_used_and_found_changed(
    catalog: str, run_yfcc: RunYfcc, tmp_path: Path
) -> None:
    flags = ("--license", "by,by-sa", "--autotag", "cat>=0.55")
    saved = run_yfcc("query", COUNT, *flags, "--save", "cats", "--catalog", catalog)
    path = tmp_path / "mine" / "selections" / "cats.json"
    digest = digest_of(101, 102, 103, 104, 105)
    assert (saved.returncode, saved.stdout) == (0, "n\tfirst\n5\t101\n")
    assert saved.stderr == f"saved in {path}: 5 items, digest {digest}\n"
    document = json.loads(path.read_bytes())
    assert document["flags"] == {"license": ["by", "by-sa"], "autotag": ["cat>=0.55"]}
    assert (document["n_items"], document["digest"]) == (5, digest)
    assert document["catalog"]["files"][0]["file"] == "yfcc100m_dataset.bz2"
    sql = f"SELECT photo_id FROM items WHERE {document['sql']} ORDER BY photo_id"
    rows = run_yfcc("query", sql, "--catalog", catalog, "--format", "csv").stdout.split()[1:]
    assert digest_of(*map(int, rows)) == digest

    # Another person, with a catalog that lacks one of the items.
    theirs = write_small_catalog(tmp_path / "theirs" / "c.duckdb", without=(103,))
    shutil.copy(path, tmp_path / "got.json")
    use = ("query", COUNT, "--selection", "got.json", "--catalog", str(theirs))
    refused = run_yfcc(*use)
    assert (refused.returncode, refused.stdout) == (4, "")
    assert refused.stderr == (
        f"yfcc: selection got: expected 5 items with the digest {digest[:16]}…, {theirs} gives 4 "
        f"with {digest_of(101, 102, 104, 105)[:16]}…. The catalog is built from files of the same "
        "sizes: items were removed from it, or the flags mean something else in yfcc "
        f"{document['yfcc_version']}. --accept-changed goes on with what it gives.\n"
    )
    accepted = run_yfcc(*use, "--accept-changed")
    assert (accepted.returncode, accepted.stdout) == (0, "n\tfirst\n4\t101\n")
    used = run_yfcc("query", COUNT, "--selection", "cats", "--catalog", catalog)
    assert (used.returncode, used.stdout, used.stderr) == (0, "n\tfirst\n5\t101\n", "")


def test_a_list_of_ids_goes_along_with_its_selection(
    catalog: str, run_yfcc: RunYfcc, tmp_path: Path
) -> None:
    (tmp_path / "ids.txt").write_text(f"106\n101\n105\n101\n{'f' * 32}\n")
    flags = ("--ids", "ids.txt", "--sample", "2", "--seed", "3", "--explain", "--quiet")
    done = run_yfcc("query", *flags, "--save", "some/mine.json", "--catalog", catalog)
    assert (done.returncode, done.stderr) == (0, "")
    (tmp_path / "ids.txt").unlink()
    (tmp_path / "some").rename(tmp_path / "elsewhere")
    names = sorted(each.name for each in (tmp_path / "elsewhere").iterdir())
    assert names == ["mine.ids.gz", "mine.json"]
    listed = gzip.decompress((tmp_path / "elsewhere" / "mine.ids.gz").read_bytes())
    assert listed == f"101\n105\n106\n{'f' * 32}\n".encode()
    document = json.loads((tmp_path / "elsewhere" / "mine.json").read_bytes())
    assert document["ids"]["sha256"] == hashlib.sha256(listed).hexdigest()
    drawn = sorted([101, 105, 106], key=lambda i: hashlib.md5(f"{i}:3".encode()).hexdigest())[:2]
    assert document["digest"] == digest_of(*sorted(drawn))
    use = ("--selection", "elsewhere/mine.json", "--catalog", catalog)
    used = run_yfcc("query", "SELECT photo_id FROM selected ORDER BY 1", *use)
    assert used.stdout.split()[1:] == [str(each) for each in sorted(drawn)]
    document["flags"]["ids"] = "../ids.txt"
    (tmp_path / "elsewhere" / "mine.json").write_text(json.dumps(document))
    refused = run_yfcc("query", "SELECT 1 FROM selected", *use)
    assert refused.returncode == 4
    assert "ids '../ids.txt' is no file beside it" in refused.stderr


def test_selections_are_listed_shown_and_checked(
    catalog: str, run_yfcc: RunYfcc, tmp_path: Path
) -> None:
    none = run_yfcc("selections", "--catalog", catalog)
    assert (none.returncode, none.stdout) == (0, "name\titems\tdigest\tsaved\tflags\n")
    for name, media in (("stills", "photo"), ("films", "video")):
        run_yfcc("query", "--explain", "--media", media, "--save", name, "--catalog", catalog)
    folder = tmp_path / "mine" / "selections"
    date = json.loads((folder / "films.json").read_bytes())["saved_at"][:10]
    films, stills = digest_of(105), digest_of(100, 101, 102, 103, 104, 106, 107)
    listed = run_yfcc("selections", "--check", "--catalog", catalog)
    assert listed.stdout == (
        "name\titems\tdigest\tsaved\tflags\tnow\n"
        f"films\t1\t{films[:16]}\t{date}\t--media=video\tthe same\n"
        f"stills\t7\t{stills[:16]}\t{date}\t--media=photo\tthe same\n"
    )
    one = json.loads(run_yfcc("selections", "films", "--json", "--catalog", catalog).stdout)
    assert one["citation"] == (
        f"Selection 'films' of YFCC100M (v2): 1 item, SHA-256 of the ids {films}, saved {date} "
        f"with yfcc {one['yfcc_version']}."
    )
    (tmp_path / "mine" / "catalog.duckdb").unlink()
    write_small_catalog(tmp_path / "mine" / "catalog.duckdb", without=(105,))
    now = run_yfcc("selections", "--check", "--json", "--catalog", catalog)
    assert now.returncode == 4
    assert [(each["name"], each["is_same"]) for each in json.loads(now.stdout)] == [
        ("films", False),
        ("stills", True),
    ]


def test_a_selection_can_be_saved_without_a_query(
    catalog: str, run_yfcc: RunYfcc, tmp_path: Path
) -> None:
    done = run_yfcc("query", "--save", "seas", "--tag", "sea", "--catalog", catalog)
    path = tmp_path / "mine" / "selections" / "seas.json"
    said = f"saved in {path}: 4 items, digest {digest_of(100, 102, 104, 106)}\n"
    assert (done.returncode, done.stdout, done.stderr) == (0, "", said)
    beside = ("query", "SELECT 1 AS n", "--save", "seas", "--tag", "sea", "--catalog", catalog)
    assert run_yfcc(*beside).stdout == "n\n1\n"


@pytest.mark.parametrize(
    ("flags", "code", "says"),
    [
        (("--save", "a/b"), 2, "'a/b' is no name for a selection: expected up to 64 letters"),
        (("--save", "../x"), 2, "'../x' is no name for a selection"),
        (("--save", "s3://b/x.json"), 2, "is no name for a selection"),
        (("--save", "/proc/x.json"), 6, "/proc/x.json: the selection cannot be saved there: No su"),
        (("--save", ".hidden"), 2, "is no name for a selection"),
        (("--save", "kept", "--media", "video"), 2, "kept.json holds another selection (7 items, "),
        (("--save", "new", "--where", "false"), 2, "the selection is empty; nothing was saved"),
        (("--save", "new", "--autotag", "!ct"), 2, "--autotag ct: no item of the catalog has it"),
        (("--selection", "kep"), 2, "there are kept. Did you mean kept?"),
        (("--selection", "kept", "--tag", "sea"), 2, "--selection kept: stands alone, as it has"),
        (("--accept-changed",), 2, "name it in --selection"),
        (("--selection", "junk"), 4, "junk.json: cannot be read as a saved selection"),
        (("--selection", "later"), 4, "saved by yfcc 0.1.0 or before: schema_version 2"),
        (("--selection", "partly"), 4, "or before: 'n_items' is missing."),
        (("--selection", "list"), 4, "or before: it is no JSON object."),
    ],
)
def test_what_cannot_be_saved_or_used_is_refused(
    flags: tuple[str, ...], code: int, says: str, catalog: str, tmp_path: Path
) -> None:
    folder = tmp_path / "mine" / "selections"
    folder.mkdir()
    good = {
        "schema_version": 1,
        "flags": {"media": "photo"},
        "n_items": 7,
        "digest": "0" * 64,
        "catalog": {"files": []},
        "saved_at": "2026-01-01T00:00:00Z",
        "yfcc_version": "0.1.0",
    }
    (folder / "kept.json").write_text(json.dumps(good))
    (folder / "junk.json").write_text("{")
    (folder / "list.json").write_text("[1]")
    (folder / "later.json").write_text(json.dumps(good | {"schema_version": 2}))
    partly = {name: value for name, value in good.items() if name != "n_items"}
    (folder / "partly.json").write_text(json.dumps(partly))
    if flags[:2] == ("--selection", "kep"):
        for name in ("junk", "later", "list", "partly"):
            (folder / f"{name}.json").unlink()
    before = sorted(each.name for each in folder.iterdir())
    with pytest.raises(YfccError) as caught:
        app(
            ["query", "SELECT 1 FROM selected", *flags, "--catalog", catalog],
            standalone_mode=False,
        )
    assert caught.value.exit_code == code
    assert says in str(caught.value)
    assert sorted(each.name for each in folder.iterdir()) == before
