"""The sample on disk: two buckets and a photo server's files.

::

    DIRECTORY/
      buckets/yfcc100m-metadata/v2/      the four metadata files
      buckets/multimedia-commons/data/   the persistent copy, with gaps
      flickr/manifest.json               how the photo server answers, by path
      flickr/files/                      what only the photo server has
      sample.json                        the stamp, written last
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from yfcc.demo.drawing import DrawTask, draw_all
from yfcc.demo.fates import Fate, plan_fates
from yfcc.demo.items import SampleItem, iter_sample_items
from yfcc.demo.manifest import MANIFEST_NAME, Answer, Manifest, url_path
from yfcc.demo.metadata_files import write_metadata
from yfcc.demo.pictures import placeholder_png, placeholder_sha256
from yfcc.demo.rows import ALIGNED, ROWS_VERSION, SampleShape
from yfcc.errors import UsageError
from yfcc.model import MediaKind

METADATA_BUCKET: Final = "yfcc100m-metadata"
METADATA_PREFIX: Final = "v2"
MEDIA_BUCKET: Final = "multimedia-commons"

BUCKETS: Final = "buckets"
FLICKR: Final = "flickr"
_STAMP: Final = "sample.json"
#: Stands while a sample is made: a directory with it and no stamp is a torn sample of ours.
_UNFINISHED: Final = ".sample-unfinished"
#: Raise it when the media of a seed change; the rows have their own.
_MEDIA_VERSION: Final = 1


@dataclass(frozen=True)
class Sample:
    """What a sample holds, as its stamp says.

    Attributes
    ----------
    n_items, seed : int
    version : str
        Of the generator.
    shape : SampleShape
    metadata_only : bool
        Whether it was made without media.
    n_photos, n_videos : int
        Together `n_items`; 0 without media.
    n_missing : int
        Items that the persistent copy lacks.
    n_placeholders : int
        Items whose object in the persistent copy is the placeholder picture.
    placeholder_sha256 : str
        Digest of that picture.
    """

    n_items: int
    seed: int
    version: str
    shape: SampleShape
    metadata_only: bool
    n_photos: int = 0
    n_videos: int = 0
    n_missing: int = 0
    n_placeholders: int = 0
    placeholder_sha256: str = ""


def write_sample(
    directory: Path,
    n_items: int,
    seed: int,
    shape: SampleShape = ALIGNED,
    *,
    metadata_only: bool = False,
    n_workers: int | None = None,
) -> Sample:
    """Lay out a sample, unless the same one is there already.

    Parameters
    ----------
    directory : Path
        Empty, missing, or a sample (which is replaced if it is another one, or torn).
    n_items, seed : int
    shape : SampleShape
        Of the metadata files.
    metadata_only : bool
        Write no media and no photo server's files.
    n_workers : int, optional
        Processes that draw; as many as there are cores by default.

    Raises
    ------
    UsageError
        If the directory holds anything but a sample.
    """
    version = f"{ROWS_VERSION}.{_MEDIA_VERSION}"
    wanted = Sample(n_items, seed, version, shape, metadata_only)
    found = read_sample(directory)
    if found is not None and _is_same(found, wanted):
        return found
    _clear(directory)
    metadata = directory / BUCKETS / METADATA_BUCKET / METADATA_PREFIX
    if metadata_only:
        write_metadata(metadata, n_items, seed, shape)
        sample = wanted
    else:
        items = list(iter_sample_items(n_items, seed))
        fates = plan_fates(items, seed)
        _write_placeholders(directory, items, fates)
        with draw_all(_plan_drawing(directory, items, fates), n_workers):
            write_metadata(metadata, n_items, seed, shape)
            _plan_answers(items, fates).write(directory / FLICKR / MANIFEST_NAME)
        sample = _describe(wanted, items, fates)
    _write_stamp(directory, sample)
    return sample


def read_sample(directory: Path) -> Sample | None:
    """The finished sample of a directory, if there is one."""
    try:
        fields = json.loads((directory / _STAMP).read_text("utf-8"))
    except FileNotFoundError:
        return None
    return Sample(**{**fields, "shape": SampleShape(**fields["shape"])})


def _is_same(found: Sample, wanted: Sample) -> bool:
    return all(
        getattr(found, name) == getattr(wanted, name)
        for name in ("n_items", "seed", "version", "shape", "metadata_only")
    )


def _clear(directory: Path) -> None:
    """Make room, removing a sample and nothing else."""
    stamp, unfinished = directory / _STAMP, directory / _UNFINISHED
    directory.mkdir(parents=True, exist_ok=True)
    if any(directory.iterdir()) and not stamp.exists() and not unfinished.exists():
        raise UsageError(f"{directory} is not empty and holds no sample: choose another directory")
    unfinished.touch()
    stamp.unlink(missing_ok=True)
    for part in (BUCKETS, FLICKR):
        if (directory / part).exists():
            shutil.rmtree(directory / part)


def _write_stamp(directory: Path, sample: Sample) -> None:
    part = directory / f".{_STAMP}.part"
    part.write_text(json.dumps(asdict(sample), indent=2) + "\n", "utf-8")
    part.replace(directory / _STAMP)
    (directory / _UNFINISHED).unlink()


def _file_of(item: SampleItem, fate: Fate) -> str | None:
    """Where the item's picture lies, relative to the sample; nowhere if nobody has it."""
    if fate.in_persistent_copy and not fate.is_placeholder:
        return f"{BUCKETS}/{MEDIA_BUCKET}/{item.persistent_key}"
    if not fate.behaviour.needs_file:
        return None
    suffix = "mp4" if item.media_kind is MediaKind.VIDEO else item.extension
    return f"{FLICKR}/files/{item.photo_id}.{suffix}"


def _plan_drawing(
    directory: Path, items: Iterable[SampleItem], fates: Iterable[Fate]
) -> list[DrawTask]:
    return [
        DrawTask(
            item.photo_id,
            item.theme,
            "mp4" if item.media_kind is MediaKind.VIDEO else item.extension,
            directory / file,
        )
        for item, fate in zip(items, fates, strict=True)
        if (file := _file_of(item, fate)) is not None
    ]


def _plan_answers(items: Iterable[SampleItem], fates: Iterable[Fate]) -> Manifest:
    """What the photo server says to each download URL and page."""
    answers, pages = {}, {}
    for item, fate in zip(items, fates, strict=True):
        file = _file_of(item, fate) if fate.behaviour.needs_file else None
        answers[url_path(item.download_url)] = Answer(fate.behaviour, file)
        pages[url_path(item.page_url)] = fate.page_status
    return Manifest(answers, pages, placeholder_sha256())


def _write_placeholders(directory: Path, items: list[SampleItem], fates: list[Fate]) -> None:
    """The placeholder picture, where it was saved as if it were the photo."""
    bucket = directory / BUCKETS / MEDIA_BUCKET
    for item, fate in zip(items, fates, strict=True):
        if fate.in_persistent_copy and fate.is_placeholder:
            path = bucket / item.persistent_key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(placeholder_png())


def _describe(wanted: Sample, items: list[SampleItem], fates: list[Fate]) -> Sample:
    n_videos = sum(item.media_kind is MediaKind.VIDEO for item in items)
    return Sample(
        wanted.n_items,
        wanted.seed,
        wanted.version,
        wanted.shape,
        metadata_only=False,
        n_photos=len(items) - n_videos,
        n_videos=n_videos,
        n_missing=sum(not fate.in_persistent_copy for fate in fates),
        n_placeholders=sum(fate.is_placeholder for fate in fates),
        placeholder_sha256=placeholder_sha256(),
    )
