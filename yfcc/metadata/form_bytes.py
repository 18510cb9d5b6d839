"""What the bytes of form-encoded text mean, as tables for the loops over them."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

#: What a byte may mean.
PLUS, ESCAPE, COMMA, COLON, RAW = 1, 2, 4, 8, 16
#: Form-encoded text: what else it holds raw, URLEncoder would have escaped.
FORM: Final = PLUS | ESCAPE | RAW
NO_DIGIT: Final = 255
#: Beside the value of a hex digit in lower case, which URLEncoder never writes.
LOWER: Final = 16
DIGIT: Final = 15
#: What URLEncoder leaves as it is.
SAFE: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_*"


def _hex_values() -> npt.NDArray[np.uint8]:
    """Value of each byte as a hex digit; 255 for what is none."""
    values = np.full(256, NO_DIGIT, np.uint8)
    for digit, character in enumerate("0123456789ABCDEF"):
        values[ord(character.lower())] = digit | LOWER
        values[ord(character)] = digit
    return values


HEX: Final = _hex_values()


def _roles() -> npt.NDArray[np.uint8]:
    """What each byte means; 0 for those that stand for themselves."""
    roles = np.full(256, RAW, np.uint8)
    roles[list(SAFE.encode())] = 0
    roles[ord("+")] = PLUS
    roles[ord("%")] = ESCAPE
    roles[ord(",")] = COMMA | RAW
    roles[ord(":")] = COLON | RAW
    return roles


def _needless() -> npt.NDArray[np.uint8]:
    """1 for bytes that URLEncoder never escapes."""
    needless = np.zeros(256, np.uint8)
    needless[list(SAFE.encode() + b" ")] = 1
    return needless


ROLES: Final = _roles()
NEEDLESS: Final = _needless()
