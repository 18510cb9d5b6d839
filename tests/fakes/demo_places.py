"""A small sample's catalog and a mirror of it, without servers or pictures."""

from __future__ import annotations

from pathlib import Path

from tests.fakes.mirror_checks import download
from yfcc.catalog.build import BuildSettings, build_catalog
from yfcc.catalog.reader import Catalog
from yfcc.catalog.select import Selection
from yfcc.demo.run import DemoPlaces
from yfcc.demo.sample import METADATA_BUCKET, METADATA_PREFIX, write_sample
from yfcc.metadata.source import open_source
from yfcc.progress import SilentProgress
from yfcc.share.export_request import ExportRequest, Form
from yfcc.share.exporting import export_media
from yfcc.share.imagefolder import ImageFolder
from yfcc.share.pieces import PieceLimits
from yfcc.share.webdataset import WebDataset


def make_demo(directory: Path, n_items: int) -> DemoPlaces:
    """All photos of the sample are stored, with the bytes that follow from their ids."""
    demo = DemoPlaces(directory)
    write_sample(demo.sample, n_items, seed=1, metadata_only=True)
    source = open_source(str(demo.sample / "buckets" / METADATA_BUCKET / METADATA_PREFIX))
    build_catalog(source, BuildSettings(demo.catalog), SilentProgress())
    with Catalog(demo.catalog) as catalog:
        photos = Selection(media="photo")
        with catalog.spool_items(photos, catalog.count(photos).by_shard(), (0, None)) as spooled:
            items = [item for batch in spooled.iter_items() for item in batch]
    download(demo.mirror, items)
    return demo


def export_demo(demo: DemoPlaces, form: str, out: Path, n_items: int) -> Path:
    """Export all that is stored, so many items a piece."""
    forms: dict[str, Form] = {"webdataset": WebDataset(), "imagefolder": ImageFolder()}
    request = ExportRequest(
        form=forms[form],
        mirror=str(demo.mirror),
        catalog=None,
        out=str(out),
        selection=Selection(),
        limits=PieceLimits(n_items=n_items, n_bytes=10**9),
    )
    export_media(request)
    return out
