"""Datasets for PyTorch on the CPU: shared out, deterministic, shuffled."""

from __future__ import annotations

import io
import struct
import zlib
from collections import Counter
from pathlib import Path

import pytest

from tests.fakes.demo_places import export_demo
from tests.fakes.mirror_items import media_bytes
from yfcc.api.samples import Sample
from yfcc.catalog.select import Selection
from yfcc.demo.run import DemoPlaces
from yfcc.errors import SourceDamaged, UsageError

torch = pytest.importorskip("torch", reason="needs PyTorch: pip install 'yfcc[torch]'")

from torch.utils.data import DataLoader  # noqa: E402

from yfcc.api.torch import (  # noqa: E402
    MAX_PIXELS,
    ExportDataset,
    MirrorDataset,
    PieceDataset,
    picture_tensor,
)


def id_and_size(sample: Sample) -> tuple[int, int]:
    assert sample["media"] == media_bytes(sample["photo_id"])
    return sample["photo_id"], len(sample["media"])


@pytest.fixture(scope="module")
def exports(doctest_demo: DemoPlaces, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("exports")
    for form in ("webdataset", "imagefolder"):
        export_demo(doctest_demo, form, root / form, n_items=7)
    return root


@pytest.fixture(params=["mirror", "selected", "webdataset", "imagefolder"])
def make(request: pytest.FixtureRequest, doctest_demo: DemoPlaces, exports: Path) -> object:
    def dataset(**order: object) -> PieceDataset:
        if request.param == "mirror":
            return MirrorDataset(doctest_demo.mirror, id_and_size, **order)
        if request.param == "selected":
            catalog, photos = doctest_demo.catalog, Selection(media="photo")
            return MirrorDataset(
                doctest_demo.mirror, id_and_size, catalog=catalog, selection=photos, **order
            )
        return ExportDataset(exports / request.param, id_and_size, **order)

    return dataset


def read(dataset: PieceDataset, n_workers: int = 0, **how: object) -> list[int]:
    loader = DataLoader(dataset, batch_size=None, num_workers=n_workers, **how)
    return [int(photo_id) for photo_id, _ in loader]


def test_workers_of_all_ranks_read_every_item_once(make) -> None:
    whole = Counter(read(make()))
    assert max(whole.values()) == 1
    assert len(whole) > 40
    shared = Counter()
    for rank in range(2):
        shared.update(read(make(ranks=(rank, 2)), n_workers=2))
    assert shared == whole


def test_the_order_is_that_of_seed_and_epoch(make) -> None:
    dataset = make(seed=3, shuffle_items=10)
    first = read(dataset)
    assert first == read(dataset) == read(make(seed=3, shuffle_items=10))
    dataset.set_epoch(1)
    second = read(dataset)
    assert second != first
    assert sorted(second) == sorted(first)
    assert read(make(seed=4, shuffle_items=10)) != first
    plain = make(is_shuffled=False)
    in_order = read(plain)
    plain.set_epoch(1)
    assert read(plain) == in_order


def test_workers_that_live_on_hear_of_the_next_epoch(doctest_demo: DemoPlaces) -> None:
    dataset = MirrorDataset(doctest_demo.mirror, id_and_size)
    loader = DataLoader(dataset, batch_size=None, num_workers=1, persistent_workers=True)
    first = [int(photo_id) for photo_id, _ in loader]
    dataset.set_epoch(1)
    second = [int(photo_id) for photo_id, _ in loader]
    assert first != second
    assert sorted(first) == sorted(second)


def test_workers_may_be_started_afresh(exports: Path) -> None:
    dataset = ExportDataset(exports / "webdataset", id_and_size)
    assert read(dataset, 1, multiprocessing_context="spawn") == read(dataset)


def test_a_rank_has_to_be_one_of_those_there_are(doctest_demo: DemoPlaces) -> None:
    for ranks in ((2, 2), (-1, 2), (0, 0)):
        with pytest.raises(UsageError, match="expected a rank from 0"):
            MirrorDataset(doctest_demo.mirror, ranks=ranks)


def sample_of(media: bytes) -> Sample:
    return Sample(photo_id=7, media=media, extension="png", caption="", document={})


def test_a_picture_becomes_red_green_and_blue() -> None:
    from PIL import Image

    with io.BytesIO() as content:
        Image.new("RGBA", (4, 3), (255, 128, 0, 255)).save(content, "PNG")
        tensor = picture_tensor(sample_of(content.getvalue()))
    assert tensor.shape == (3, 3, 4)
    assert tensor.dtype == torch.uint8
    assert tensor[:, 2, 3].tolist() == [255, 128, 0]


def test_what_is_no_picture_or_too_large_is_an_error_that_names_the_item() -> None:
    from PIL import Image

    with pytest.raises(SourceDamaged, match="item 7: expected a picture"):
        picture_tensor(sample_of(b"no picture"))
    # Over our own limit, over the one at which Pillow warns, and where it refuses.
    for n_pixels in (MAX_PIXELS, Image.MAX_IMAGE_PIXELS, 2 * Image.MAX_IMAGE_PIXELS):
        with pytest.raises(SourceDamaged, match="item 7: expected at most"):
            picture_tensor(sample_of(png_that_claims(n_pixels // 1000 + 1, 1000)))


def png_that_claims(width: int, height: int) -> bytes:
    """A PNG without pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )
