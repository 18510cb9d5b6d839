"""What the mirror asks of whoever fetches: one item in, bytes to a sink, a verdict back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from yfcc.media.sink import Sink
from yfcc.model import Item, Outcome


class Acquired(Protocol):
    """What became of one item, and how.

    With outcome ``stored`` the sink holds the whole, checked bytes, and ``url``, ``source``,
    ``extension``, ``n_bytes`` and ``sha256`` are set. Unknown is None.
    """

    @property
    def outcome(self) -> Outcome:
        """``stored`` here means: the bytes in the sink are to be stored."""

    @property
    def source(self) -> str | None:
        """``s3`` or ``flickr``: where the last answer came from."""

    @property
    def url(self) -> str | None:
        """Address of the last answer."""

    @property
    def http_status(self) -> int | None:
        """Status of the last answer."""

    @property
    def attempts(self) -> int:
        """Requests sent for this item."""

    @property
    def first_error(self) -> str | None:
        """What went wrong first."""

    @property
    def last_error(self) -> str | None:
        """What went wrong last; None for an item that is to be stored."""

    @property
    def content_type(self) -> str | None:
        """Of the bytes themselves, not of the header."""

    @property
    def extension(self) -> str | None:
        """Of the bytes themselves, without a dot, lower case."""

    @property
    def width(self) -> int | None:
        """Pixels."""

    @property
    def height(self) -> int | None:
        """Pixels."""

    @property
    def n_bytes(self) -> int | None:
        """Size of what the sink holds."""

    @property
    def sha256(self) -> str | None:
        """Of what the sink holds, 64 lower-case hex digits."""

    @property
    def n_trailing_bytes(self) -> int | None:
        """Bytes after the end of the media."""

    @property
    def has_zero_run(self) -> bool:
        """Whether a stretch of a picture is nothing but zeros."""

    @property
    def evidence(self) -> bytes | None:
        """The first bytes of what is no media."""

    @property
    def rights(self) -> Mapping[str, str]:
        """Rights headers as received, by name."""

    @property
    def x_robots_tag(self) -> str | None:
        """The header of that name, all values."""


class Acquire(Protocol):
    """Fetch and check one item; called by many threads at once."""

    def __call__(self, item: Item, sink: Sink, /) -> Acquired:
        """What became of the item; the bytes are in the sink if they are to be stored.

        It ends soon, at the latest within its own deadline, once the run is asked to stop.

        Raises
        ------
        YfccError
            The whole run has to stop: a host wants more patience than allowed, the network is
            gone, or (``InterruptedRun``) the run was asked to stop while this item was under
            way. The item stays untried.
        """
