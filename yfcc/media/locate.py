"""From an item to the addresses its bytes may have, in the order in which they are asked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from yfcc.errors import UsageError
from yfcc.media.address import Address, HostRules, Origin, UnusableUrl, parse_url
from yfcc.media.settings import FetchSettings, Source
from yfcc.model import Item, MediaKind

#: The persistent copy, us-west-2, anonymous (https://multimediacommons.wordpress.com).
BUCKET: Final = "multimedia-commons"
_S3_ENDPOINT: Final = f"https://{BUCKET}.s3.us-west-2.amazonaws.com/"

#: MD5 of the download URL, zero padding lost: 16 to 32 digits.
_PHOTO_HASH: Final = re.compile(r"[0-9a-f]{16,32}")
_KEYS: Final = {
    MediaKind.PHOTO: "data/images/{}/{}/{}.jpg",
    MediaKind.VIDEO: "data/videos/mp4/{}/{}/{}.mp4",
}
_FLICKR_DOMAINS: Final = ("staticflickr.com", "flickr.com")


@dataclass(frozen=True, slots=True)
class Candidate:
    """One place where an item's bytes may be."""

    source: Source
    address: Address

    @property
    def url(self) -> str:
        """The address as text."""
        return str(self.address)


@dataclass(frozen=True, slots=True)
class Unusable:
    """A source that cannot be asked for an item, and why; ``url`` as the dataset has it."""

    source: Source
    url: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class Places:
    """The servers of a run, parsed once.

    Attributes
    ----------
    sources : tuple of Source
        In the order in which they are asked.
    s3 : Address
        Of the bucket; its target ends with a slash.
    flickr : Origin or None
        Asked instead of the host in the dataset's URL.
    """

    sources: tuple[Source, ...]
    s3: Address
    flickr: Origin | None


def plan_places(settings: FetchSettings) -> Places:
    """The servers that settings name, checked.

    Raises
    ------
    UsageError
        An endpoint is no URL, or no source is left.
    """
    if not settings.sources:
        raise UsageError("no source to fetch from: name s3, flickr or both")
    s3 = _parse_endpoint("s3", settings.s3_endpoint or _S3_ENDPOINT)
    path = s3.target.rstrip("/")
    # Path style for a named endpoint: it needs no DNS entry per bucket.
    target = f"{path}/{BUCKET}/" if settings.s3_endpoint else f"{path}/"
    flickr = None
    if settings.flickr_endpoint:
        flickr = _parse_endpoint("flickr", settings.flickr_endpoint).origin
    return Places(tuple(dict.fromkeys(settings.sources)), Address(s3.origin, target), flickr)


def _parse_endpoint(name: str, url: str) -> Address:
    try:
        return parse_url(url)
    except UnusableUrl as error:
        raise UsageError(f"{name} endpoint {url!r}: {error}") from error


def plan_host_rules(settings: FetchSettings, places: Places) -> HostRules:
    """The hosts a run may ask: the bucket's, Flickr's, and the endpoints the user named."""
    hosts, named = set(), set()
    if settings.s3_endpoint:
        named.add(places.s3.origin)
    else:
        hosts.add(places.s3.origin.host)
    if places.flickr is not None:
        named.add(places.flickr)
    return HostRules(frozenset(hosts), _FLICKR_DOMAINS, frozenset(named))


def locate(item: Item, places: Places, rules: HostRules) -> list[Candidate | Unusable]:
    """One place for each source, in order.

    An item whose hash or URL cannot be used has an :class:`Unusable` there: nothing is asked,
    and its reason is kept.
    """
    found: list[Candidate | Unusable] = []
    for source in places.sources:
        if source is Source.S3:
            found.append(_locate_s3(item, places.s3))
        else:
            found.append(_locate_flickr(item, places.flickr, rules))
    return found


def _locate_s3(item: Item, bucket: Address) -> Candidate | Unusable:
    key = item.photo_hash
    if _PHOTO_HASH.fullmatch(key) is None:
        return Unusable(Source.S3, None, f"photo_hash {key[:64]!r} is not 16 to 32 hex digits")
    name = _KEYS[item.media_kind].format(key[:3], key[3:6], key)
    return Candidate(Source.S3, Address(bucket.origin, bucket.target + name))


def _locate_flickr(item: Item, endpoint: Origin | None, rules: HostRules) -> Candidate | Unusable:
    url = item.download_url
    try:
        address = parse_url(url)
        if endpoint is not None:
            return Candidate(Source.FLICKR, Address(endpoint, address.target))
        rules.check(address.origin)
    except UnusableUrl as error:
        return Unusable(Source.FLICKR, url[:2000] or None, str(error))
    return Candidate(Source.FLICKR, address)
