"""Settings: a flag, then a ``YFCC_*`` variable, then ``yfcc.toml``, then the default.

The only place that looks at the environment; ``AWS_*`` is boto3's to read.
"""

from __future__ import annotations

import os
import ssl
import tomllib
from pathlib import Path
from typing import Any, Final

from yfcc.errors import UsageError

SETTINGS_FILE: Final = "yfcc.toml"


def read_settings(directory: Path) -> dict[str, Any]:
    """The settings file of a directory; nothing if there is none.

    Returns
    -------
    dict
        Names of flags, with underscores, to values; tables hold the flags of one command.

    Raises
    ------
    UsageError
        The file is no TOML, or cannot be read.
    """
    path = directory / SETTINGS_FILE
    try:
        with path.open("rb") as stream:
            return tomllib.load(stream)
    except FileNotFoundError:
        return {}
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path}: cannot be read as TOML: {error}") from error


def s3_endpoint_url() -> str | None:
    """The object store that the environment names, as boto3 reads it."""
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")


def trusted_certificates() -> str | None:
    """Certificates of the authorities to trust, where the environment names some.

    Returns
    -------
    str or None
        ``REQUESTS_CA_BUNDLE``, a file or a directory; else ``SSL_CERT_FILE``.

    Raises
    ------
    UsageError
        It holds no certificates.
    """
    for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
        place = os.environ.get(name)
        if not place:
            continue
        if not Path(place).is_dir():
            try:
                ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(place)
            except OSError as error:
                raise UsageError(
                    f"{name}={place}: expected a file of certificates in PEM: {error}."
                ) from error
        return place
    return None
