"""The headers of one answer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

_BLANKS: Final = " \t\r\n"


class Headers:
    """Header fields by lower-case name, each with all its values in order.

    Parameters
    ----------
    pairs : iterable of (str, str)
        Names and values as received; values are freed of blanks around them and of the line
        breaks of obsolete folding (RFC 9112, 5.2).
    """

    __slots__ = ("_values",)

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        values: dict[str, list[str]] = {}
        for name, value in pairs:
            text = value.strip(_BLANKS)
            if "\n" in text or "\r" in text:
                text = " ".join(text.split())
            values.setdefault(name.lower(), []).append(text)
        self._values = values

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def all(self, name: str) -> tuple[str, ...]:
        """Every value of a field, by lower-case name, in order."""
        return tuple(self._values.get(name, ()))

    def first(self, name: str) -> str | None:
        """The first value of a field, None if there is none."""
        values = self._values.get(name)
        return values[0] if values else None
