"""Where each item of a sample can be had, and how the photo server answers for it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Final

from yfcc.demo.items import SampleItem
from yfcc.model import MediaKind


class Behaviour(StrEnum):
    """How the photo server answers for one path."""

    PHOTO = "photo"
    NOT_FOUND = "not_found"
    REMOVED = "removed"
    PLACEHOLDER = "placeholder"
    RATE_LIMITED = "rate_limited"
    LOGIN_PAGE = "login_page"
    OPTED_OUT = "opted_out"
    TDM_RESERVED = "tdm_reserved"

    @property
    def needs_file(self) -> bool:
        """Whether the answer, or a later one, carries the picture."""
        return self in {
            Behaviour.PHOTO,
            Behaviour.RATE_LIMITED,
            Behaviour.OPTED_OUT,
            Behaviour.TDM_RESERVED,
        }

    @property
    def page_status(self) -> int:
        """HTTP status of the item's page: what was taken down has none."""
        match self:
            case Behaviour.NOT_FOUND | Behaviour.PLACEHOLDER:
                return 404
            case Behaviour.REMOVED:
                return 410
            case _:
                return 200


@dataclass(frozen=True)
class Fate:
    """Where one item can be had.

    Attributes
    ----------
    in_persistent_copy : bool
    is_placeholder : bool
        Whether the persistent copy holds the placeholder picture in its stead.
    behaviour : Behaviour
        The photo server's.
    page_status : int
        HTTP status of the item's page.
    """

    in_persistent_copy: bool
    is_placeholder: bool
    behaviour: Behaviour
    page_status: int


_MISSING_SHARE: Final = 0.03
_PLACEHOLDER_SHARE: Final = 0.005
#: Items of the persistent copy that the photo server answers oddly for.
_ODD_SHARE: Final = 0.03
#: Items that are whole everywhere and yet were made private since.
_PRIVATE_SHARE: Final = 0.01

#: One of each first, so that a small sample has them all; then drawn by weight.
_WEIGHTS: Final = {
    Behaviour.PHOTO: 9,
    Behaviour.NOT_FOUND: 4,
    Behaviour.REMOVED: 1,
    Behaviour.PLACEHOLDER: 2,
    Behaviour.RATE_LIMITED: 2,
    Behaviour.LOGIN_PAGE: 1,
    Behaviour.OPTED_OUT: 2,
    Behaviour.TDM_RESERVED: 1,
}


def plan_fates(items: list[SampleItem], seed: int) -> list[Fate]:
    """The fate of each item, the same for the same items and seed.

    A sample with a video has one that only the photo server has.
    """
    rng = Random(f"fates of {seed}")
    photos = [index for index, item in enumerate(items) if item.media_kind is MediaKind.PHOTO]
    videos = [index for index, item in enumerate(items) if item.media_kind is MediaKind.VIDEO]
    rng.shuffle(photos)
    missing, photos = _split(photos, round(len(items) * _MISSING_SHARE))
    placeholders, photos = _split(photos, round(len(items) * _PLACEHOLDER_SHARE))
    odd, photos = _split(photos, round(len(items) * _ODD_SHARE))
    private, _ = _split(photos, round(len(items) * _PRIVATE_SHARE))

    behaviours = dict.fromkeys(placeholders, Behaviour.PLACEHOLDER)
    behaviours |= zip(missing, _draw_behaviours(rng, len(missing)), strict=True)
    behaviours |= zip(odd, _draw_behaviours(rng, len(odd)), strict=True)
    missing_items, placeholder_items = {*missing, *videos[:1]}, set(placeholders)
    private_items = set(private)
    return [
        _fate(
            behaviours.get(index, Behaviour.PHOTO),
            in_persistent_copy=index not in missing_items,
            is_placeholder=index in placeholder_items,
            is_private=index in private_items,
        )
        for index in range(len(items))
    ]


def _fate(
    behaviour: Behaviour, *, in_persistent_copy: bool, is_placeholder: bool, is_private: bool
) -> Fate:
    page_status = 404 if is_private else behaviour.page_status
    return Fate(in_persistent_copy, is_placeholder, behaviour, page_status)


def _split(indices: list[int], n_first: int) -> tuple[list[int], list[int]]:
    return indices[:n_first], indices[n_first:]


def _draw_behaviours(rng: Random, n_items: int) -> list[Behaviour]:
    each = list(_WEIGHTS)[:n_items]
    rest = rng.choices(list(_WEIGHTS), list(_WEIGHTS.values()), k=n_items - len(each))
    return each + rest
