"""A mirror of the sample, and exports of it."""

from __future__ import annotations

import json
import tarfile
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import SampleAt
from yfcc.catalog.build import BuildSettings, build_catalog
from yfcc.catalog.select import Selection
from yfcc.demo.serve import EmbeddedServers
from yfcc.media.settings import FetchSettings
from yfcc.metadata.source import open_source
from yfcc.mirror.download import DownloadRequest, download_selection
from yfcc.progress import SilentProgress
from yfcc.share.export_request import ExportRequest, Form
from yfcc.share.pieces import PieceLimits

#: Lines of the sample that are mirrored; some of their items are gone.
N_LINES = 60


@dataclass(frozen=True)
class Mirrored:
    """A catalog and a mirror of its first items."""

    catalog: Path
    mirror: Path

    def documents(self) -> dict[int, dict]:
        """The JSON of every stored item, by id."""
        found = (json.loads(path.read_bytes()) for path in self.mirror.glob("media/*/*/*.json"))
        return {each["photo_id"]: each for each in found}

    def media(self, document: dict) -> Path:
        """Where an item's media lie."""
        return self.mirror / document["media"]["path"]


def mirror_sample(sample: SampleAt, folder: Path) -> Mirrored:
    """Build a catalog of the sample, and mirror its first items."""
    catalog, mirror = folder / "catalog.duckdb", folder / "mirror"
    source = open_source(str(sample.directory / "buckets" / "yfcc100m-metadata" / "v2"))
    build_catalog(source, BuildSettings(catalog), SilentProgress())
    with EmbeddedServers(sample.directory) as servers:
        settings = FetchSettings(s3_endpoint=servers.s3_endpoint, backoff_s=0.01)
        selection = Selection(lines=f"0-{N_LINES - 1}")
        download_selection(
            DownloadRequest(catalog, str(mirror), selection, settings, None, 4, "test")
        )
    return Mirrored(catalog, mirror)


def request_for(
    form: Form, mirror: Path | str, out: Path, n_items: int = 10, **options: object
) -> ExportRequest:
    """An export of all that a mirror holds, or of a selection."""
    wanted = {"catalog": None, "selection": Selection(), **options}
    return ExportRequest(
        form=form,
        mirror=str(mirror),
        out=str(out),
        limits=PieceLimits(n_items, 1 << 40),
        **wanted,  # type: ignore[arg-type]
    )


def read_samples(out: Path) -> dict[str, dict[str, bytes]]:
    """Members of all archives by item and extension, in their order."""
    samples: dict[str, dict[str, bytes]] = {}
    for path in sorted(out.glob("shards/*.tar")):
        with tarfile.open(path) as archive:
            for member in archive:
                key, _, extension = member.name.partition(".")
                content = archive.extractfile(member)
                assert content is not None
                samples.setdefault(key, {})[extension] = content.read()
    return samples


def read_tree(out: Path) -> dict[str, bytes]:
    """Content of all files but the manifest and what names the day."""
    dated = {"yfcc-export.json", "croissant.json", "SHA256SUMS"}
    paths = (path for path in out.rglob("*") if path.is_file() and path.name not in dated)
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in paths}


def without_heads(files: dict[str, bytes]) -> dict[str, bytes]:
    """The same files; of an index its rows, for its head knows mirror and place."""
    return {
        path: content.partition(b"\n")[2] if path.startswith("index/") else content
        for path, content in files.items()
    }
