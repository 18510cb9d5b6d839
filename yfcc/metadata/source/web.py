"""Metadata files on a web server, read through requests."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from yfcc import __version__
from yfcc.config import trusted_certificates
from yfcc.errors import (
    SourceChanged,
    SourceError,
    SourceForbidden,
    SourceMissing,
    SourceUnreachable,
)
from yfcc.metadata.source.base import CutBodyError, SourceObject
from yfcc.redact import redact_url

if TYPE_CHECKING:
    import requests

_PIECE_BYTES: Final = 256 << 10
_TIMEOUTS_S: Final = (10, 30)  # connect, read
_BUSY: Final = (408, 425, 429, 500, 502, 503, 504)
_PAUSES_S: Final = (0.2, 0.5, 1.0, 2.0)  # between attempts at a file's headers


class WebSource:
    """Files below an address, or one; a web server lists nothing, so names are tried.

    Parameters
    ----------
    url : str
        ``https://…/`` of the folder, or of a file.
    names : tuple of tuples of str
        Files that may be in the folder: the first of these sets of which any is there. None if
        the address is a file's.
    """

    def __init__(self, url: str, names: tuple[tuple[str, ...], ...]) -> None:
        import requests  # noqa: PLC0415 - 0.1 s that --help need not pay

        self._session = requests.Session()
        parts = urlsplit(url)
        if parts.username is not None:
            # From here on they are in no address, message or record.
            self._session.auth = (unquote(parts.username), unquote(parts.password or ""))
            url = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
        self._url = url.rstrip("/") + "/" if names else url
        self._names = names
        self._session.trust_env = False  # neither proxies nor .netrc, unasked
        self._session.verify = trusted_certificates() or True
        self._session.headers.update(
            {"User-Agent": f"yfcc/{__version__}", "Accept-Encoding": "identity"}
        )

    @property
    def url(self) -> str:
        """The address, of a folder with its slash; of a file without what was asked with it."""
        return self._url if self._names else urlsplit(self._url)._replace(query="").geturl()

    def list_objects(self) -> list[SourceObject]:
        """Those of the names that are there, or the one file."""
        if not self._names:
            return [self._describe_file()]
        for names in self._names:
            described = [self._describe(name, self._url + name) for name in names]
            found = [each for each in described if isinstance(each, SourceObject)]
            if found:
                return sorted(found, key=lambda each: each.name)
            # S3 over plain HTTPS answers 403 for a missing name; alone it means what it says.
            forbidden = [each for each in described if isinstance(each, SourceForbidden)]
            if forbidden:
                raise forbidden[0]
        raise SourceMissing(
            f"{self._url}: none of the dataset's file names is there (tried {self._names[0][0]} "
            f"and {sum(map(len, self._names)) - 1} more). Check --source."
        )

    def _describe_file(self) -> SourceObject:
        """The file that the address names."""
        name = urlsplit(self._url).path.rsplit("/", 1)[-1]
        found = self._describe(name, self.url)
        if isinstance(found, SourceForbidden):
            raise found
        if not found:
            raise SourceMissing(f"{self.url}: no such file. Check --source.")
        return found

    def _describe(self, name: str, url: str) -> SourceObject | SourceForbidden | None:
        """Size and version of a file; None where there is none."""
        reply = self._head(self._address(url))
        if reply.status_code in (404, 410):
            return None
        if reply.status_code in (401, 403):
            return SourceForbidden(f"{url}: permission denied ({reply.status_code}).")
        length = reply.headers.get("Content-Length", "")
        if reply.status_code != 200 or not length.isascii() or not length.isdigit():
            raise SourceUnreachable(
                f"{url}: answered {reply.status_code} with Content-Length {length!r}; "
                "expected 200 and a size."
            )
        etag = reply.headers.get("ETag") or reply.headers.get("Last-Modified") or f"size-{length}"
        return SourceObject(name, url, int(length), etag)

    def _address(self, url: str) -> str:
        """What to ask for: a file's query may be a signature, which no message or record shows."""
        return url if self._names else self._url

    def _head(self, url: str) -> requests.Response:
        """Headers of a file; a busy server is asked again."""
        import requests  # noqa: PLC0415

        told = redact_url(url)
        for pause_s in (*_PAUSES_S, None):
            try:
                reply = self._session.head(url, timeout=_TIMEOUTS_S, allow_redirects=True)
            except requests.RequestException as error:
                if _is_distrust(error):
                    raise SourceUnreachable(
                        f"{told}: its certificate is not trusted: {error}. If an authority of your "
                        "own signed it, name the file of its certificate in SSL_CERT_FILE."
                    ) from error
                if pause_s is None:
                    raise SourceUnreachable(
                        f"{told}: no answer: {redact_url(str(error))}. Check the network."
                    ) from error
            else:
                if reply.status_code not in _BUSY or pause_s is None:
                    return reply
            time.sleep(pause_s)
        raise AssertionError("the last attempt returns or raises")

    def read_range(self, source_object: SourceObject, start: int, n_bytes: int) -> Iterator[bytes]:
        """A range of a file, if it is still the listed one."""
        import requests  # noqa: PLC0415
        import urllib3  # noqa: PLC0415

        headers = {"Range": f"bytes={start}-{start + n_bytes - 1}"}
        # Only a strong ETag can prove that a part belongs to the whole (RFC 9110, 13.1.1).
        if source_object.etag.startswith('"'):
            headers["If-Match"] = source_object.etag
        try:
            with self._session.get(
                self._address(source_object.url), headers=headers, stream=True, timeout=_TIMEOUTS_S
            ) as reply:
                _check_part(reply, source_object, start, n_bytes)
                received = 0
                # iter_content would drop the part of a piece that came before a cut.
                while piece := reply.raw.read1(_PIECE_BYTES):
                    received += len(piece)
                    yield piece
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            said = redact_url(str(error))
            raise CutBodyError(f"{type(error).__name__}: {said}") from error
        if received != n_bytes:
            raise CutBodyError(f"{received:,} of {n_bytes:,} bytes arrived")

    def local_path(self, source_object: SourceObject) -> Path | None:
        """Nowhere."""

    def close(self) -> None:
        """Let go of connections."""
        self._session.close()


def _is_distrust(error: BaseException) -> bool:
    """Whether it is the server's certificate that ended a connection."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLCertVerificationError):
        cause = cause.__cause__ or cause.__context__
    return cause is not None


def _check_part(
    reply: requests.Response, source_object: SourceObject, start: int, n_bytes: int
) -> None:
    """Refuse a reply that is not the asked part of the listed file."""
    url, status = source_object.url, reply.status_code
    if status in _BUSY:
        raise CutBodyError(f"status {status}")
    if status in (401, 403):
        raise SourceForbidden(f"{url}: permission denied ({status}).")
    if status in (404, 410):
        raise SourceMissing(f"{url}: the file is gone since it was listed.")
    version = reply.headers.get("ETag") or reply.headers.get("Last-Modified")
    expected = f"bytes {start}-{start + n_bytes - 1}/{source_object.n_bytes}"
    got = reply.headers.get("Content-Range")
    if status == 416:
        raise SourceChanged(
            f"{url}: the file is shorter than when it was listed (416). Wait until whatever "
            "writes it is done, then run again."
        )
    if status == 412 or (
        version and version != source_object.etag and not source_object.etag.startswith("size-")
    ):
        raise SourceChanged(f"{url}: the file was replaced while it was read. Run again.")
    if status != 206 or got != expected:
        raise SourceError(
            f"{url}: asked for {expected!r}, got status {status} with {got!r}. "
            "The server does not honour ranges; copy the files to a directory first."
        )
