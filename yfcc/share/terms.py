"""What the licences permit and ask.

The six of the dataset are Creative Commons 2.0 (https://creativecommons.org/licenses/by/2.0/legalcode
and its siblings). All of them permit unchanged copies and ask for credit: title if there is one,
author, source, licence (4b). What else they ask is in their names.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from yfcc.catalog.select import LICENSES

_URL_FORM: Final = re.compile(r"\Ahttps?://creativecommons\.org/licenses/([a-z-]+)/([0-9.]+)/")

#: What each part of a licence's name asks of whoever hands copies on.
_DUTIES: Final = {
    "by": "Give credit: the title if there is one, the author, the source and the licence.",
    "nc": "NC: not for commercial use.",
    "nd": "ND: unchanged copies only; nothing resized, cropped or encoded anew.",
    "sa": "SA: changed copies only under the same licence.",
}


@dataclass(frozen=True, slots=True)
class Terms:
    """What a licence permits and asks.

    Attributes
    ----------
    license : str
        ``by`` to ``by-nc-nd``.
    version : str
        Of the licence, ``2.0``.
    """

    license: str
    version: str = "2.0"

    @property
    def name(self) -> str:
        """As people write it, ``CC BY-NC 2.0``."""
        return f"CC {self.license.upper()} {self.version}"

    @property
    def allows_commercial(self) -> bool:
        """Whether commercial use is permitted."""
        return "nc" not in self._parts

    @property
    def allows_changes(self) -> bool:
        """Whether changed copies are permitted: resized, cropped, encoded anew."""
        return "nd" not in self._parts

    @property
    def is_share_alike(self) -> bool:
        """Whether changed copies have to be under the same licence."""
        return "sa" in self._parts

    @property
    def marks(self) -> tuple[str, ...]:
        """The parts of its name that ask for more than credit, of ``NC``, ``ND`` and ``SA``."""
        return tuple(part.upper() for part in self._parts[1:])

    @property
    def duties(self) -> tuple[str, ...]:
        """What it asks of whoever hands copies on, a sentence a part of its name."""
        return tuple(_DUTIES[part] for part in self._parts)

    @property
    def _parts(self) -> list[str]:
        return self.license.split("-")


def parse_terms(license_url: str | None) -> Terms | None:
    """The terms of a licence by its URL; None for one that is not among the dataset's six.

    Examples
    --------
    >>> parse_terms("http://creativecommons.org/licenses/by-nc/2.0/").name
    'CC BY-NC 2.0'
    >>> parse_terms("http://creativecommons.org/licenses/sampling/1.0/") is None
    True
    """
    found = _URL_FORM.match(license_url or "")
    if found is None or found[1] not in LICENSES:
        return None
    return Terms(found[1], found[2])
