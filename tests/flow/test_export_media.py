"""Items with their media, handed on as archives and folders: whole, credited, and gone on with."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import SampleAt
from tests.fakes.exporting import (
    N_LINES,
    Mirrored,
    mirror_sample,
    read_samples,
    read_tree,
    request_for,
)
from tests.fakes.mirror_checks import download as download_made_up
from tests.fakes.mirror_items import make_items
from yfcc.catalog.reader import Catalog
from yfcc.catalog.select import Selection
from yfcc.catalog.tombstones import Kind, Reason, make_tombstone
from yfcc.errors import LockedError, UsageError, VerifyError
from yfcc.mirror.forget import forget
from yfcc.mirror.layout import ledger_name
from yfcc.mirror.ledger import find_committed, seal_lines
from yfcc.mirror.opening import open_any
from yfcc.model import shard_of
from yfcc.share.captions import build_caption
from yfcc.share.export_folder import ExportFolder
from yfcc.share.exporting import export_media
from yfcc.share.imagefolder import ImageFolder
from yfcc.share.stored import StoredCounts, iter_stored
from yfcc.share.webdataset import WebDataset


@pytest.fixture(scope="module")
def mirrored(tmp_path_factory: pytest.TempPathFactory, sample: SampleAt) -> Mirrored:
    """Only read: whoever changes the mirror copies it first."""
    return mirror_sample(sample, tmp_path_factory.mktemp("mirrored"))


@pytest.fixture
def own(mirrored: Mirrored, tmp_path: Path) -> Mirrored:
    """A mirror of the test's own."""
    copied = shutil.copytree(mirrored.mirror, tmp_path / "mirror")
    return Mirrored(mirrored.catalog, copied)


def spoil(path: Path) -> None:
    """Flip a bit."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_archives_hold_media_json_and_caption_of_every_stored_item(
    mirrored: Mirrored, tmp_path: Path
) -> None:
    summary = export_media(request_for(WebDataset(), mirrored.mirror, tmp_path / "out", 10))
    samples, documents = read_samples(tmp_path / "out"), mirrored.documents()
    assert summary.n_items == len(documents) == len(samples) > N_LINES * 0.7
    assert summary.n_pieces == -(-len(documents) // 10)
    for photo_id, document in documents.items():
        members = dict(samples[str(photo_id)])
        told = json.loads(members.pop("json"))
        caption = build_caption(document["metadata"])
        assert members.pop("txt").decode() == told["caption"] == caption
        assert told["caption_raw"] == caption
        assert {name: told[name] for name in ("metadata", "exif", "autotags", "places")} == {
            name: document[name] for name in ("metadata", "exif", "autotags", "places")
        }
        assert told["license"] == document["metadata"]["license"]
        assert told["duties"] == [
            part.upper() for part in told["license"].split("-") if part != "by"
        ]
        ((extension, content),) = members.items()
        assert mirrored.media(document).suffix == f".{extension}"
        assert content == mirrored.media(document).read_bytes()


def test_webdataset_reads_the_archives(mirrored: Mirrored, tmp_path: Path) -> None:
    export_media(request_for(WebDataset(), mirrored.mirror, tmp_path / "out", 20))
    # In a process of its own: the library leaves closing its files to the garbage collector.
    script = (
        "import sys, webdataset\n"
        "for each in webdataset.WebDataset(sys.argv[1:], shardshuffle=False).decode('pil'):\n"
        "    assert each['__key__'] == str(each['json']['photo_id'])\n"
        "    media = each['json']['media']\n"
        "    if 'jpg' in each:\n"
        "        assert each['jpg'].size == (media['width'], media['height'])\n"
        "    print(each['__key__'], each['txt'] == each['json']['caption'])\n"
    )
    shards = sorted(tmp_path.glob("out/shards/*.tar"))
    assert len(shards) > 1
    read = subprocess.run(
        [sys.executable, "-c", script, *shards], stdout=subprocess.PIPE, check=True, timeout=110
    )
    lines = read.stdout.decode().splitlines()
    assert set(lines) == {f"{photo_id} True" for photo_id in mirrored.documents()}
    assert len(lines) == len(mirrored.documents())


def test_the_same_items_make_the_same_bytes(mirrored: Mirrored, tmp_path: Path) -> None:
    for name, n_workers in (("one", 1), ("many", 4)):
        export_media(
            request_for(WebDataset(), mirrored.mirror, tmp_path / name, 7, n_workers=n_workers)
        )
    assert read_tree(tmp_path / "one") == read_tree(tmp_path / "many")


def test_killed_at_any_step_an_export_goes_on_to_the_same_bytes(
    mirrored: Mirrored, tmp_path: Path
) -> None:
    out = tmp_path / "undisturbed"
    export_media(request_for(WebDataset(), mirrored.mirror, out, 5, n_workers=1))
    killed = subprocess.run(
        [sys.executable, "-m", "tests.fakes.export_killed", mirrored.mirror, tmp_path, "9"],
        capture_output=True,
        check=True,
        timeout=110,
    )
    kept = json.loads(killed.stdout)
    assert len(kept) > 8
    assert max(kept) >= 5, "pieces that were whole are not made again"
    expected = read_tree(out)
    for number in range(len(kept)):
        found = tmp_path / str(1 + 9 * number)
        assert read_tree(found) == expected
        subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=found, check=True)


def test_changed_media_end_an_export_and_what_was_whole_is_kept(
    own: Mirrored, tmp_path: Path
) -> None:
    request = request_for(WebDataset(), own.mirror, tmp_path / "out", 5, n_workers=1)
    undisturbed = request_for(WebDataset(), own.mirror, tmp_path / "undisturbed", 5)
    n_pieces = export_media(undisturbed).n_pieces
    with (tmp_path / "undisturbed" / "index" / f"{n_pieces - 1:06}.jsonl").open() as lines:
        last = json.loads(lines.readlines()[-1])
    path = own.media(own.documents()[last["photo_id"]])
    whole = path.read_bytes()
    spoil(path)
    with pytest.raises(VerifyError) as told:
        export_media(request)
    for word in (f"item {last['photo_id']}", str(path), last["sha256"], "yfcc verify --repair"):
        assert word in str(told.value)
    assert hashlib.sha256(path.read_bytes()).hexdigest() in str(told.value)
    assert not (tmp_path / "out" / "yfcc-export.json").exists()
    path.write_bytes(whole)
    # A piece that somebody damaged since is no whole one.
    spoil(tmp_path / "out" / "shards" / "000000.tar")
    summary = export_media(request)
    assert summary.n_pieces_kept == n_pieces - 2
    assert read_tree(tmp_path / "out") == read_tree(tmp_path / "undisturbed")


@pytest.mark.parametrize("is_missing", [False, True])
def test_json_that_is_not_as_recorded_ends_an_export(
    own: Mirrored, tmp_path: Path, is_missing: bool
) -> None:
    photo_id, document = next(iter(own.documents().items()))
    path = own.media(document).with_suffix(".json")
    if is_missing:
        path.unlink()
    else:
        path.write_bytes(path.read_bytes().replace(b'"exif"', b'"exit"'))
    with pytest.raises(VerifyError, match=rf"item {photo_id}, .*yfcc verify --repair"):
        export_media(request_for(WebDataset(), own.mirror, tmp_path / "out"))


def test_selected_items_are_exported_not_stored_forgotten_or_left_out(
    own: Mirrored, tmp_path: Path
) -> None:
    documents = own.documents()
    gone = next(iter(documents))
    with open_any(own.mirror) as mirror:
        forget(mirror, [make_tombstone(Kind.ID, str(gone), Reason.OTHER, "2026-11-21")])
    selection = Selection(lines=f"0-{N_LINES + 9}", media="photo")
    options = {"catalog": own.catalog, "selection": selection, "is_redistributable": True}
    summary = export_media(request_for(ImageFolder(), own.mirror, tmp_path / "out", **options))
    n_photos = sum(each["metadata"]["media_kind"] == "photo" for each in documents.values())
    assert summary.n_forgotten == 1
    assert summary.n_items + summary.n_left_out == n_photos - 1
    assert summary.n_selected == (
        summary.n_items + summary.n_left_out + summary.n_not_stored + summary.n_forgotten
    )
    assert summary.n_not_stored >= 10
    assert not list((tmp_path / "out" / "train").rglob(f"{gone}.*"))
    assert str(gone).encode() not in b"".join(read_tree(tmp_path / "out").values())


def test_a_catalog_changes_the_choice_and_not_the_order(mirrored: Mirrored) -> None:
    with open_any(mirrored.mirror) as mirror, Catalog(mirrored.catalog) as catalog:
        whole = [item.photo_id for item in iter_stored(mirror)]
        assert [item.photo_id for item in iter_stored(mirror, catalog)] == whole
        counts = StoredCounts()
        selection = Selection(lines="0-29")
        some = [item.photo_id for item in iter_stored(mirror, catalog, selection, counts)]
    chosen = {
        photo_id
        for photo_id, each in mirrored.documents().items()
        if each["metadata"]["line_number"] < 30
    }
    assert some == [photo_id for photo_id in whole if photo_id in chosen]
    assert 0 < len(some) == counts.n_given < len(whole)
    assert counts.n_selected == 30


@pytest.mark.parametrize(("mark", "column"), [("user", "user_nsid"), ("hash", "photo_hash")])
def test_an_item_is_not_given_while_its_removal_waits(
    own: Mirrored, mark: str, column: str
) -> None:
    documents = own.documents()
    value = next(iter(documents.values()))["metadata"][column]
    line = {mark: value, "reason": "owner-request", "date": "2026-11-21"}
    (own.mirror / "ledger" / "tombstones.jsonl").write_text(json.dumps(line) + "\n")
    counts = StoredCounts()
    with open_any(own.mirror) as mirror:
        given = {item.photo_id for item in iter_stored(mirror, counts=counts)}
    removed = {i for i, each in documents.items() if each["metadata"][column] == value}
    assert given == documents.keys() - removed
    assert counts.n_forgotten == len(removed) > 0


def test_a_removal_that_is_not_carried_out_yet_keeps_an_item_away(
    own: Mirrored, tmp_path: Path
) -> None:
    documents = own.documents()
    nsid = next(iter(documents.values()))["metadata"]["user_nsid"]
    line = {"user": nsid, "reason": "owner-request", "date": "2026-11-21"}
    (own.mirror / "ledger" / "tombstones.jsonl").write_text(json.dumps(line) + "\n")
    summary = export_media(request_for(WebDataset(), own.mirror, tmp_path / "out"))
    mine = {i for i, each in documents.items() if each["metadata"]["user_nsid"] == nsid}
    assert {int(key) for key in read_samples(tmp_path / "out")} == documents.keys() - mine
    assert summary.n_items == len(documents) - len(mine)


def test_photos_are_made_smaller_unless_their_licence_forbids_it(
    mirrored: Mirrored, tmp_path: Path
) -> None:
    request = request_for(WebDataset(), mirrored.mirror, tmp_path / "out", size=64)
    summary = export_media(request)
    n_smaller = 0
    for photo_id, members in read_samples(tmp_path / "out").items():
        told = json.loads(members["json"])
        document = mirrored.documents()[int(photo_id)]
        original = mirrored.media(document)
        content = members[original.suffix[1:]]
        is_nd = "ND" in told["duties"]
        if is_nd or original.suffix not in (".jpg", ".png"):
            assert content == original.read_bytes()
            assert told["attribution"]["changes"] == "none"
            assert "original" not in told["media"]
            continue
        n_smaller += 1
        with Image.open(io.BytesIO(content)) as image:
            assert min(image.size) == 64
            assert image.size == (told["media"]["width"], told["media"]["height"])
        assert told["attribution"]["changes"].startswith("resized to ")
        assert told["media"]["sha256"] == hashlib.sha256(content).hexdigest()
        assert told["media"]["original"]["sha256"] == document["media"]["sha256"]
    assert summary.notes["made smaller"] == n_smaller > 5
    assert summary.notes["kept as it is: no derivatives"] > 5
    credits_ = (tmp_path / "out" / "ATTRIBUTION.txt").read_text()
    assert credits_.count(", changed: resized to ") == n_smaller


def test_what_may_not_be_handed_on_is_left_out_and_said(tmp_path: Path) -> None:
    # Their JSON names no licence, and their rights headers opt out.
    download_made_up(tmp_path / "mirror", make_items(6))
    options = {"is_redistributable": True}
    summary = export_media(
        request_for(WebDataset(), tmp_path / "mirror", tmp_path / "out", **options)
    )
    assert (summary.n_items, summary.n_left_out) == (0, 6)
    assert summary.notes == {"left out: licence": 6}
    assert list((tmp_path / "out" / "shards").glob("*")) == []


def test_a_folder_of_pictures_takes_no_video(own: Mirrored, tmp_path: Path) -> None:
    photo_id = next(iter(own.documents()))
    ledger = own.mirror / "ledger" / ledger_name(shard_of(photo_id))
    lines = [json.loads(line) for line in find_committed(ledger.read_bytes()).iter_lines()]
    for line in lines:
        if line["photo_id"] == photo_id:
            line["content_type"] = "video/mp4"
    ledger.write_bytes(seal_lines("".join(f"{json.dumps(line)}\n" for line in lines).encode()))
    summary = export_media(request_for(ImageFolder(), own.mirror, tmp_path / "out"))
    assert summary.notes["left out: no picture"] == summary.n_left_out == 1
    assert not list((tmp_path / "out").rglob(f"{photo_id}.*"))


def test_datasets_loads_a_folder_offline(mirrored: Mirrored, tmp_path: Path) -> None:
    request = request_for(ImageFolder(), mirrored.mirror, tmp_path / "out", 20)
    summary = export_media(request)
    script = (
        "import sys, datasets\n"
        "photos = datasets.load_dataset(sys.argv[1], split='train')\n"
        "for each in photos:\n"
        "    print(each['photo_id'], *each['image'].size, each['width'], each['height'])\n"
    )
    settings = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "home")}
    loaded = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", script, tmp_path / "out"],
        env=os.environ | settings,
        stdout=subprocess.PIPE,
        check=True,
        timeout=110,
    )
    lines = [line.split() for line in loaded.stdout.decode().splitlines()]
    photos = {
        each["photo_id"]: each["media"]
        for each in mirrored.documents().values()
        if each["media"]["content_type"].startswith("image/")
    }
    assert summary.n_items == len(lines) == len(photos)
    for photo_id, width, height, *said in lines:
        assert [width, height] == said
        assert int(width) == photos[int(photo_id)]["width"]


@pytest.mark.parametrize("form", [WebDataset(), ImageFolder()], ids=lambda form: form.form)
def test_a_croissant_file_that_the_library_accepts(
    mirrored: Mirrored, tmp_path: Path, form: WebDataset | ImageFolder
) -> None:
    export_media(request_for(form, mirrored.mirror, tmp_path / "out", 20))
    script = (
        "import sys, mlcroissant\n"
        "found = mlcroissant.Dataset(jsonld=sys.argv[1])\n"
        "assert not found.metadata.ctx.issues.errors, found.metadata.ctx.issues.report()\n"
        "assert not found.metadata.ctx.issues.warnings, found.metadata.ctx.issues.report()\n"
        "for each in found.records('credits'):\n"
        "    print(each['credits/photo_id'])\n"
    )
    read = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "out" / "croissant.json"],
        stdout=subprocess.PIPE,
        check=True,
        timeout=110,
    )
    ids = {int(each) for each in read.stdout.split()}
    indexes = [path.read_bytes().split(b"\n")[1:-1] for path in tmp_path.glob("out/index/*")]
    assert ids == {json.loads(line)["photo_id"] for lines in indexes for line in lines}


def test_what_is_in_the_way_is_refused_and_what_is_replaced_is_gone(
    mirrored: Mirrored, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    request = request_for(WebDataset(), mirrored.mirror, out, 5)
    n_pieces = export_media(request).n_pieces
    before = read_tree(out)
    with pytest.raises(UsageError, match="an export is there already"):
        export_media(request)
    assert read_tree(out) == before
    few = request_for(
        ImageFolder(), mirrored.mirror, out, 9, is_overwriting=True, has_clean_captions=True
    )
    summary = export_media(few)
    assert summary.n_pieces < n_pieces
    assert not (out / "shards").exists() or list((out / "shards").iterdir()) == []
    assert len(list((out / "index").iterdir())) == summary.n_pieces
    subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=out, check=True)
    (out / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"notes\.txt was written by no export"):
        export_media(few)
    assert (out / "notes.txt").read_text() == "mine"


def test_an_export_with_other_flags_is_not_gone_on_with(own: Mirrored, tmp_path: Path) -> None:
    document = list(own.documents().values())[-1]
    whole = own.media(document).read_bytes()
    spoil(own.media(document))
    with pytest.raises(VerifyError):
        export_media(request_for(WebDataset(), own.mirror, tmp_path / "out", 5))
    own.media(document).write_bytes(whole)
    with pytest.raises(UsageError, match="size: None, now 64"):
        export_media(request_for(WebDataset(), own.mirror, tmp_path / "out", 5, size=64))


def test_two_exports_do_not_share_a_directory(mirrored: Mirrored, tmp_path: Path) -> None:
    with ExportFolder(tmp_path / "out", {}, is_overwriting=False, started_at="2026-11-21"):
        request = request_for(WebDataset(), mirrored.mirror, tmp_path / "out", is_overwriting=True)
        with pytest.raises(LockedError, match=f"process {os.getpid()}"):
            export_media(request)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_full_disk_ends_an_export_with_one_line(
    mirrored: Mirrored, tmp_path: Path, run_yfcc: object
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if subprocess.run(mounting, check=False).returncode:
        pytest.skip("a small disk cannot be mounted here")
    try:
        asked = ("export", "webdataset", "--mirror", str(mirrored.mirror), "--out", f"{disk}/out")
        asked = (*asked, "--shard-items", "3", "--quiet")
        full = run_yfcc(*asked)  # type: ignore[operator]
        assert full.returncode == 6, full.stderr
        assert full.stderr.count("\n") == 1
        assert "it is full" in full.stderr
        assert not list(disk.rglob("*.part*"))
        subprocess.run(["mount", "-o", "remount,size=200m", str(disk)], check=True)
        assert run_yfcc(*asked).returncode == 0  # type: ignore[operator]
        assert len(read_samples(disk / "out")) == len(mirrored.documents())
    finally:
        subprocess.run(["umount", str(disk)], check=True)
