"""The items of a sample, as the media need them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from yfcc.demo.dataset_lines import draw_dataset_rows
from yfcc.demo.draws import CHUNK_ROWS, EXTENSIONS, draw_chunk
from yfcc.demo.tables.language import THEMES
from yfcc.model import MediaKind


@dataclass(frozen=True)
class SampleItem:
    """One item of the sample.

    Attributes
    ----------
    photo_id : int
    photo_hash : str
        Key of the persistent copy.
    media_kind : MediaKind
    download_url, page_url : str
    extension : str
        Of the original, ``jpg``, ``png`` or ``gif``.
    theme : str
        What it shows, one of `yfcc.demo.tables.language.THEMES`.
    """

    photo_id: int
    photo_hash: str
    media_kind: MediaKind
    download_url: str
    page_url: str
    extension: str
    theme: str

    @property
    def persistent_key(self) -> str:
        """Key in the bucket of the persistent copy."""
        name = self.photo_hash
        if self.media_kind is MediaKind.VIDEO:
            return f"data/videos/mp4/{name[:3]}/{name[3:6]}/{name}.mp4"
        return f"data/images/{name[:3]}/{name[3:6]}/{name}.jpg"


def iter_sample_items(n_items: int, seed: int) -> Iterator[SampleItem]:
    """The items of the rows that `yfcc.demo.rows.iter_row_chunks` generates, in their order."""
    for first in range(0, n_items, CHUNK_ROWS):
        draws = draw_chunk(seed, first // CHUNK_ROWS)
        rows = draw_dataset_rows(draws, min(CHUNK_ROWS, n_items - first))
        facts = zip(
            rows,
            draws.theme.tolist(),
            draws.extension.tolist(),
            draws.is_video.tolist(),
            strict=False,
        )
        for row, theme, extension, is_video in facts:
            yield SampleItem(
                row.photo_id,
                row.photo_hash,
                MediaKind.VIDEO if is_video else MediaKind.PHOTO,
                row.download_url,
                row.tail.split("\t", 1)[0],
                EXTENSIONS[extension],
                THEMES[theme],
            )
