"""The sample on disk: true sizes, real media, whole or made again."""

from __future__ import annotations

import bz2
import hashlib
import json
from io import BytesIO

import av
import pytest
from PIL import Image

from yfcc.demo.clips import CLIP_SIZE, draw_clip
from yfcc.demo.fates import Behaviour
from yfcc.demo.items import iter_sample_items
from yfcc.demo.manifest import read_manifest
from yfcc.demo.metadata_files import write_metadata
from yfcc.demo.pictures import LONGEST_SIDE, draw_picture, placeholder_png, placeholder_sha256
from yfcc.demo.rows import SORTED_BY_ID, V1, SampleShape, iter_row_chunks
from yfcc.demo.sample import read_sample, write_sample
from yfcc.demo.tables.language import THEMES
from yfcc.errors import UsageError
from yfcc.model import MediaKind

N_ITEMS = 320
SEED = 5


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    path = tmp_path_factory.mktemp("demo") / "sample"
    write_sample(path, N_ITEMS, SEED, n_workers=1)
    return path


def lines(path):
    return bz2.decompress(path.read_bytes()).splitlines(keepends=True)


def test_rows_have_the_weight_of_the_true_files():
    n_items = 8_000
    chunks = list(iter_row_chunks(n_items, seed=3))
    raw_bytes = 0
    for name, true_bytes in {"dataset": 130, "autotags": 20, "exif": 90, "places": 17}.items():
        text = b"".join(getattr(chunk, name) for chunk in chunks)
        raw_bytes += len(text)
        assert len(bz2.compress(text)) / n_items == pytest.approx(true_bytes, rel=0.15), name
    assert raw_bytes / n_items == pytest.approx(1_360, rel=0.15)


def test_metadata_files_are_one_stream_or_many_with_the_same_text(tmp_path):
    one = write_metadata(tmp_path / "one", 3_000, SEED)
    many = write_metadata(tmp_path / "many", 3_000, SEED, many_streams=True)
    assert [path.name for path in one] == [
        f"yfcc100m_{name}.bz2" for name in ("dataset", "autotags", "exif", "places")
    ]
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == sorted(
        path.name for path in one
    )
    for single, several in zip(one, many, strict=True):
        decompressor = bz2.BZ2Decompressor()
        text = decompressor.decompress(single.read_bytes())
        assert decompressor.eof
        assert decompressor.unused_data == b""
        assert bz2.decompress(several.read_bytes()) == text
    exif = bz2.BZ2Decompressor()
    exif.decompress(many[2].read_bytes())
    assert exif.unused_data.startswith(b"BZh9")


def test_packs_may_be_sorted_by_id_without_empty_rows(tmp_path):
    dataset, *packs = write_metadata(tmp_path, 3_000, SEED, SORTED_BY_ID)
    assert [line.split(b"\t")[0] for line in lines(dataset)] == [b"%d" % n for n in range(3_000)]
    for pack in packs:
        rows = [line.rstrip(b"\n").split(b"\t") for line in lines(pack)]
        ids = [int(photo_id) for photo_id, _ in rows]
        assert ids == sorted(set(ids))
        assert all(value for _, value in rows)


def test_v1_comes_in_ten_files_and_two_packs(tmp_path):
    paths = write_metadata(tmp_path, 2_345, SEED, V1)
    assert [path.name for path in paths] == [
        *(f"yfcc100m_dataset-{index}.bz2" for index in range(10)),
        "yfcc100m_hash.bz2",
        "yfcc100m_autotags-v1.bz2",
    ]
    rows = [line for path in paths[:10] for line in lines(path)]
    assert {len(lines(path)) for path in paths[:10]} == {234, 235}
    assert {line.count(b"\t") for line in rows} == {22}
    for pack in paths[10:]:
        assert [line.split(b"\t")[0] for line in lines(pack)] == [
            line.split(b"\t")[0] for line in rows
        ]


def test_items_agree_with_the_rows():
    (chunk,) = iter_row_chunks(500, SEED)
    rows = [line.split("\t") for line in chunk.dataset.decode().split("\n")[:-1]]
    for row, item in zip(rows, iter_sample_items(500, SEED), strict=True):
        assert [str(item.photo_id), item.photo_hash] == row[1:3]
        assert [item.page_url, item.download_url] == row[15:17]
        assert item.extension == row[23]
        assert (item.media_kind is MediaKind.VIDEO) == (row[24] == "1")


@pytest.mark.parametrize("theme", THEMES)
def test_a_picture_of_each_theme_is_whole_and_of_a_photos_size(theme):
    content = draw_picture(12_345, theme, "jpg")
    assert content == draw_picture(12_345, theme, "jpg")
    assert content != draw_picture(12_346, theme, "jpg")
    assert 30_000 < len(content) < 150_000
    with Image.open(BytesIO(content)) as image:
        image.load()
        assert image.format == "JPEG"
        assert max(image.size) == LONGEST_SIDE
        colours = image.resize((60, 60)).quantize(64).getcolors() or []
        assert len(colours) > 8


@pytest.mark.parametrize("extension", ["png", "gif"])
def test_a_picture_has_the_type_of_its_extension(extension):
    with Image.open(BytesIO(draw_picture(9, "flower", extension))) as image:
        image.load()
        assert image.format == extension.upper()


def test_a_clip_plays_and_its_index_stands_first():
    content = draw_clip(77, "sunset")
    assert content == draw_clip(77, "sunset")
    assert content.index(b"moov") < content.index(b"mdat")
    with av.open(BytesIO(content)) as container:
        (stream,) = container.streams
        assert stream.codec_context.name == "h264"
        frames = list(container.decode(video=0))
    assert (frames[0].width, frames[0].height) == CLIP_SIZE
    assert 1 <= len(frames) / 20 <= 2


def test_every_item_is_in_the_persistent_copy_or_known_to_be_missing(directory):
    sample = read_sample(directory)
    assert sample.n_photos + sample.n_videos == sample.n_items == N_ITEMS
    assert sample.n_videos > 0
    bucket = directory / "buckets" / "multimedia-commons"
    n_missing = n_placeholders = n_videos = 0
    for item in iter_sample_items(N_ITEMS, SEED):
        path = bucket / item.persistent_key
        if not path.exists():
            n_missing += 1
        elif path.read_bytes() == placeholder_png():
            n_placeholders += 1
        elif item.media_kind is MediaKind.VIDEO:
            n_videos += 1
            assert path.read_bytes()[4:8] == b"ftyp"
        else:
            with Image.open(path) as image:
                image.load()
    assert (n_missing, n_placeholders) == (sample.n_missing, sample.n_placeholders)
    assert n_missing > 0
    assert n_placeholders > 0
    assert n_videos == sample.n_videos - 1  # one is at Flickr's only
    assert sample.placeholder_sha256 == hashlib.sha256(placeholder_png()).hexdigest()


def test_the_manifest_answers_for_every_item_and_its_files_exist(directory):
    manifest = read_manifest(directory / "flickr" / "manifest.json")
    assert len(manifest.answers) == len(manifest.pages) == N_ITEMS
    assert manifest.placeholder_sha256 == placeholder_sha256()
    assert {answer.behaviour for answer in manifest.answers.values()} == set(Behaviour)
    for answer in manifest.answers.values():
        assert (answer.file is not None) == answer.behaviour.needs_file
        if answer.file:
            assert (directory / answer.file).is_file()


def state(directory):
    return {
        path: (path.stat().st_mtime_ns, path.stat().st_ino)
        for path in directory.rglob("*")
        if path.is_file()
    }


def test_the_same_sample_is_left_as_it_is(directory):
    before = state(directory)
    assert write_sample(directory, N_ITEMS, SEED) == read_sample(directory)
    assert state(directory) == before


def test_another_and_a_torn_sample_are_made_again(tmp_path):
    directory = tmp_path / "sample"
    write_sample(directory, 20, 1)
    first = {path.relative_to(directory) for path in state(directory)}
    assert write_sample(directory, 25, 2).n_items == 25
    (directory / "sample.json").unlink()
    (directory / ".sample-unfinished").touch()
    (directory / "buckets" / "multimedia-commons" / "torn.jpg").touch()
    write_sample(directory, 20, 1)
    assert {path.relative_to(directory) for path in state(directory)} == first


def test_a_directory_with_other_files_is_not_touched(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(UsageError, match="not empty"):
        write_sample(tmp_path, 20, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_metadata_alone_have_no_media(tmp_path):
    shape = SampleShape(missing_share=0.1)
    sample = write_sample(tmp_path, 100, 1, shape, metadata_only=True)
    assert sample.shape == shape
    assert read_sample(tmp_path) == sample
    assert {path.suffix for path in state(tmp_path)} == {".bz2", ".json"}


def test_many_pictures_are_drawn_in_processes_of_their_own(tmp_path, directory):
    write_sample(tmp_path, N_ITEMS, SEED, n_workers=2)
    for path in ("buckets/multimedia-commons", "flickr"):
        ours, theirs = (
            {
                file.relative_to(root): hashlib.sha256(file.read_bytes()).digest()
                for file in (root / path).rglob("*")
                if file.is_file()
            }
            for root in (tmp_path, directory)
        )
        assert ours == theirs
    assert json.loads((tmp_path / "sample.json").read_text())["n_items"] == N_ITEMS
