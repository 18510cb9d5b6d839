"""Text as the dataset writes it."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote_plus

_MICRODEGREES: Final = 1_000_000
#: Java writes a double below 10**-3 in scientific notation (Double.toString).
_SMALLEST_PLAIN: Final = 1_000


def form_encode(text: str) -> str:
    """Form-encode as Java's URLEncoder does.

    Letters, digits and ``.-_*`` stay, a blank becomes ``+``, all else ``%XX`` of its UTF-8.

    Examples
    --------
    >>> form_encode("a+b ~ c*")
    'a%2Bb+%7E+c*'
    """
    # Python's quote keeps ~, which RFC 3986 lists as unreserved and Java does not.
    return quote_plus(text, safe="*").replace("~", "%7E")


def format_degrees(microdegrees: int) -> str:
    """A coordinate as Java prints the double.

    Parameters
    ----------
    microdegrees : int
        Millionths of a degree.

    Examples
    --------
    >>> format_degrees(-81_804_885), format_degrees(-12), format_degrees(0)
    ('-81.804885', '-1.2E-5', '0.0')
    """
    if abs(microdegrees) >= _SMALLEST_PLAIN or microdegrees == 0:
        return repr(microdegrees / _MICRODEGREES)
    mantissa, exponent = f"{microdegrees / _MICRODEGREES:.5e}".split("e")
    return f"{float(mantissa)!r}E{int(exponent)}"
