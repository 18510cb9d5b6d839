"""Secrets that addresses carry, taken out before anything is printed or written down."""

from __future__ import annotations

import re
from typing import Final

_USER: Final = re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://)[^\s/?#'\"]*@")
_VALUE: Final = re.compile(r"([?&;][^\s=&?#'\"]+=)[^\s&#'\"]+")
#: Parameters of signed addresses and of those with a key, wherever they stand.
_SIGNED: Final = re.compile(
    r"(?i)\b((?:x-amz-[a-z-]*|awsaccesskeyid|signature|sig|(?:access_|security_|api_)?(?:token|key)"
    r"|password|secret)=)[^\s&#'\"]+"
)


def redact_url(text: str) -> str:
    """An address, or a text with addresses, without user names and what stands in queries.

    Examples
    --------
    >>> redact_url("https://ann:pw@host.example/a.bz2?X-Amz-Signature=0af3&b=1")
    'https://…@host.example/a.bz2?X-Amz-Signature=…&b=…'
    """
    return _VALUE.sub(r"\1…", _USER.sub(r"\1…@", text))


def redact_text(text: str) -> str:
    """A text without passwords and signatures, in addresses or alone; other queries stay.

    Examples
    --------
    >>> redact_text("--source https://host.example/x?token=0af3&page=2 --where 'a = 1'")
    "--source https://host.example/x?token=…&page=2 --where 'a = 1'"
    """
    return _SIGNED.sub(r"\1…", _USER.sub(r"\1…@", text))
