"""Mirrors and exports as PyTorch datasets; needs the extra ``yfcc[torch]``.

Both are iterable, share their pieces out among all workers of all ranks, and give the same items
in the same order for the same seed, epoch and number of readers::

    from torch.utils.data import DataLoader
    from yfcc.api.torch import ExportDataset, picture_tensor

    def prepare(sample):
        return picture_tensor(sample), sample["caption"]

    photos = ExportDataset("photos", prepare, seed=1, shuffle_items=1000)
    for epoch in range(3):
        photos.set_epoch(epoch)
        for pictures, captions in DataLoader(photos, batch_size=None, num_workers=2):
            ...
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import torch
from torch.utils.data import IterableDataset, get_worker_info

from yfcc.api.samples import ExportPieces, MirrorPieces, Pieces, Sample
from yfcc.api.shares import order_pieces, share_of_reader, shuffle_items
from yfcc.catalog.select import Selection
from yfcc.errors import SourceDamaged, UsageError

Transform = Callable[[Sample], Any]

#: Larger pictures are refused: each pixel takes 3 bytes of memory, and more while it is decoded.
MAX_PIXELS: Final = 80_000_000
_FORMATS: Final = ("JPEG", "PNG", "GIF", "WEBP")


class PieceDataset(IterableDataset[Any]):
    """Samples of pieces, shared out among workers and ranks.

    Readers get whole pieces, so their numbers of samples differ: with several ranks, let each
    epoch end when the first rank has no more.

    Parameters
    ----------
    pieces : Pieces
    transform : callable, optional
        Makes of a sample what is wanted; ``DataLoader`` can only batch what is of one shape.
    is_shuffled : bool
        Whether pieces come in another order each epoch.
    shuffle_items : int
        Samples held in memory to shuffle within and between neighbouring pieces; 0: none.
    seed : int
    ranks : tuple of int and int, optional
        Rank and number of ranks; by default those of ``torch.distributed``, if it is at work.
    """

    def __init__(
        self,
        pieces: Pieces,
        transform: Transform | None = None,
        *,
        is_shuffled: bool = True,
        shuffle_items: int = 0,
        seed: int = 0,
        ranks: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        self._pieces = pieces
        self._transform = transform
        self._is_shuffled = is_shuffled
        self._n_held = shuffle_items
        self._seed = seed
        if ranks is not None and not 0 <= ranks[0] < ranks[1]:
            raise UsageError(f"ranks {ranks}: expected a rank from 0, and how many there are.")
        self._ranks = ranks
        # Shared with workers that live on from one epoch to the next.
        self._epoch = torch.zeros(1, dtype=torch.int64).share_memory_()

    def set_epoch(self, epoch: int) -> None:
        """Another epoch, another order; call it before each, with the same number on all ranks."""
        self._epoch[0] = epoch

    def __iter__(self) -> Iterator[Any]:
        worker = get_worker_info()
        rank, n_ranks = self._ranks or _ranks_at_work()
        n_workers = worker.num_workers if worker else 1
        reader = rank * n_workers + (worker.id if worker else 0)
        epoch = int(self._epoch[0])
        order = order_pieces(len(self._pieces), self._seed, epoch, is_shuffled=self._is_shuffled)
        mine = share_of_reader(order, reader, n_ranks * n_workers)
        samples = self._pieces.iter_samples(mine)
        for sample in shuffle_items(samples, self._n_held, self._seed, epoch, reader):
            yield sample if self._transform is None else self._transform(sample)


class MirrorDataset(PieceDataset):
    """The stored items of a mirror, or those of them that a selection picks.

    Parameters
    ----------
    mirror : str or Path
        A directory, or ``s3://bucket/prefix``.
    transform : callable, optional
        As for :class:`PieceDataset`, and so are all others.
    catalog : str or Path, optional
        To select by.
    selection : Selection, optional
        By default all items of the catalog.
    """

    def __init__(
        self,
        mirror: str | Path,
        transform: Transform | None = None,
        *,
        catalog: str | Path | None = None,
        selection: Selection | None = None,
        **order: Any,
    ) -> None:
        super().__init__(MirrorPieces(mirror, catalog, selection), transform, **order)


class ExportDataset(PieceDataset):
    """A finished export, as ``webdataset`` or ``imagefolder``.

    Parameters
    ----------
    out : str or Path
        The export's directory, or ``s3://bucket/prefix``.
    transform : callable, optional
        As for :class:`PieceDataset`, and so are all others.
    """

    def __init__(self, out: str | Path, transform: Transform | None = None, **order: Any) -> None:
        super().__init__(ExportPieces(out), transform, **order)


def picture_tensor(sample: Sample) -> torch.Tensor:
    """A picture as numbers: 3 (red, green, blue) x height x width, 0 to 255, 8 bits each.

    Raises
    ------
    SourceDamaged
        It is no picture, cannot be decoded, or has more than ``MAX_PIXELS``.
    """
    import numpy as np  # noqa: PLC0415
    from PIL import Image, UnidentifiedImageError  # noqa: PLC0415

    too_large = SourceDamaged(
        f"item {sample['photo_id']}: expected at most {MAX_PIXELS:,} pixels, got more."
    )
    try:
        with warnings.catch_warnings():
            # Pillow warns of pictures that are larger still, and would go on.
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(sample["media"]), formats=_FORMATS) as picture:
                if picture.width * picture.height > MAX_PIXELS:
                    raise too_large
                pixels = np.asarray(picture.convert("RGB")).copy()
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise too_large from error
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise SourceDamaged(
            f"item {sample['photo_id']}: expected a picture, got {len(sample['media']):,} bytes "
            f"that cannot be decoded ({error}). Select with media='photo'."
        ) from error
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()


def _ranks_at_work() -> tuple[int, int]:
    distributed = torch.distributed
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1
