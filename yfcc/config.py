"""Settings: a flag, then a ``YFCC_*`` variable, then ``yfcc.toml``, then the default.

The only place that looks at the environment; ``AWS_*`` is boto3's to read.
"""

from __future__ import annotations

import os
import socket
import ssl
import tempfile
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


def terminal_is_dumb() -> bool:
    """Whether the terminal can only take one line after the other, as that of an editor."""
    return os.environ.get("TERM", "").lower() in ("dumb", "unknown")


def spare_blas_threads() -> None:
    """Have NumPy start no threads for linear algebra, which nothing here uses.

    They spin for a moment when it is loaded: 0.1 CPU seconds of every command. To be called
    before that; what the user has set stays.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def s3_endpoint_url() -> str | None:
    """The object store that the environment names, as boto3 reads it."""
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")


def mirror_endpoint_url() -> str | None:
    """The object store that mirrors in buckets are in; None: Amazon's, or what a profile says.

    ``YFCC_MIRROR_ENDPOINT``, for media that come from one store and go to another; else the
    store that boto3 would use.
    """
    return os.environ.get("YFCC_MIRROR_ENDPOINT") or s3_endpoint_url()


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


def rate_file() -> Path:
    """Where the processes of this user and machine keep their rates together.

    In the user's cache, which sessions and scheduled jobs share, or in the system's temporary
    directory if there is none that can be written. With the machine's name, as homes may be
    shared among machines.
    """
    cache = os.environ.get("XDG_CACHE_HOME") or ""
    try:
        # A relative path is to be ignored (XDG base directory specification).
        root = Path(cache) if cache.startswith("/") else Path.home() / ".cache"
        there = next(path for path in (root, *root.parents) if path.exists())
        is_usable = os.access(there, os.W_OK | os.X_OK)
    except RuntimeError:  # no home
        is_usable = False
    if not is_usable:
        root = Path(tempfile.gettempdir()) / f"cache-{os.getuid()}"
    return root / "yfcc" / f"rates-{socket.gethostname()}.json"
