"""A prefix of an S3 bucket, or one object, read through boto3."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from yfcc.errors import (
    SourceChanged,
    SourceError,
    SourceForbidden,
    SourceMissing,
    SourceUnreachable,
    UsageError,
)
from yfcc.metadata.source import s3_codes
from yfcc.metadata.source.base import CutBodyError, SourceObject

if TYPE_CHECKING:
    from botocore.exceptions import ClientError
    from mypy_boto3_s3 import S3Client

_PIECE_BYTES: Final = 256 << 10


@dataclass(frozen=True, slots=True)
class BucketAccess:
    """How to speak to the object store.

    Attributes
    ----------
    endpoint_url : str, optional
        None: as boto3 reads it (``AWS_ENDPOINT_URL_S3``, profile, then Amazon's).
    is_signed : bool, optional
        None: signed if boto3 finds credentials, else anonymous.
    region : str
        Used where neither environment nor profile names one; the public buckets live there.
    """

    endpoint_url: str | None = None
    is_signed: bool | None = None
    region: str = "us-west-2"


class BucketSource:
    """Objects below a prefix of a bucket, or one object.

    Parameters
    ----------
    bucket, prefix : str
        ``s3://bucket/prefix``; a missing slash at the prefix's end is added, unless nothing lies
        below it and it is itself an object's key.
    access : BucketAccess
    """

    def __init__(self, bucket: str, prefix: str, access: BucketAccess) -> None:
        self._bucket = bucket
        self._prefix = prefix.rstrip("/") + "/" if prefix else ""
        self._key: str | None = None  # of the one object, once it is known to be one
        self._access = access
        self._client = _open_client(access)

    @property
    def url(self) -> str:
        """The prefix, with its slash; or the one object, once it was listed."""
        return f"s3://{self._bucket}/{self._key or self._prefix}"

    def list_objects(self) -> list[SourceObject]:
        """Objects directly below the prefix, or the one object."""
        try:
            found = self._list_prefix()
        except SourceForbidden:
            # Who may not list may still be allowed to read the one object.
            alone = self._describe_key()
            if not alone:
                raise
            return [alone]
        if found:
            return found
        alone = self._describe_key()
        return [alone] if alone else []

    def _describe_key(self) -> SourceObject | None:
        """The object whose key is the prefix itself, if there is one that may be read."""
        from botocore.exceptions import ClientError  # noqa: PLC0415

        key = self._prefix.rstrip("/")
        if not key:
            return None
        try:
            head = self._client.head_object(Bucket=self._bucket, Key=key)
        except Exception as error:  # noqa: BLE001 - the one door for botocore's errors
            if isinstance(error, ClientError) and _is_refusal(error):
                return None  # what the list said is said again
            self._give_up(error, f"s3://{self._bucket}/{key}")
        self._key = key
        return SourceObject(
            key.rsplit("/", 1)[-1],
            f"s3://{self._bucket}/{key}",
            head["ContentLength"],
            head["ETag"],
        )

    def _list_prefix(self) -> list[SourceObject]:
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=self._prefix, Delimiter="/"
        )
        found = []
        try:
            for page in pages:
                for entry in page.get("Contents", []):
                    name = entry["Key"][len(self._prefix) :]
                    if name:
                        url = f"s3://{self._bucket}/{entry['Key']}"
                        found.append(SourceObject(name, url, entry["Size"], entry["ETag"]))
        except Exception as error:  # noqa: BLE001 - the one door for botocore's errors
            self._give_up(error, self.url)
        return found

    def read_range(self, source_object: SourceObject, start: int, n_bytes: int) -> Iterator[bytes]:
        """A range of an object, if it is still the listed one."""
        url = source_object.url
        try:
            reply = self._client.get_object(
                Bucket=self._bucket,
                Key=url.removeprefix(f"s3://{self._bucket}/"),
                Range=f"bytes={start}-{start + n_bytes - 1}",
                IfMatch=source_object.etag,
            )
        except Exception as error:  # noqa: BLE001 - the one door for botocore's errors
            self._translate(error, url)
        _check_range(reply, source_object, start, n_bytes)
        body = reply["Body"]
        try:
            received = 0
            while piece := body.read(_PIECE_BYTES):
                received += len(piece)
                yield piece
        except Exception as error:  # noqa: BLE001 - the one door for botocore's errors
            self._translate(error, url)
        finally:
            body.close()
        if received != n_bytes:
            raise CutBodyError(f"{received:,} of {n_bytes:,} bytes arrived")

    def local_path(self, source_object: SourceObject) -> Path | None:
        """Nowhere."""

    def close(self) -> None:
        """Let go of connections."""
        self._client.close()

    def _give_up(self, error: Exception, url: str) -> NoReturn:
        """Say what boto3's error means where nothing is asked again."""
        try:
            self._translate(error, url)
        except CutBodyError as cut:
            raise SourceUnreachable(
                f"{url}: the object store does not answer: {cut}. Check the network and the "
                "endpoint."
            ) from error

    def _translate(self, error: Exception, url: str) -> NoReturn:
        """Say what boto3's error means here."""
        from botocore import exceptions  # noqa: PLC0415 - 0.2 s that --help need not pay

        if isinstance(error, exceptions.ClientError):
            code = error.response.get("Error", {}).get("Code", "")
            raise _explained(code, url, self._access) from error
        if isinstance(error, exceptions.ParamValidationError):
            raise UsageError(f"{url}: not a valid bucket name or key: {error}") from error
        if isinstance(error, exceptions.NoCredentialsError | exceptions.PartialCredentialsError):
            raise SourceForbidden(
                f"{url}: signed access needs credentials, and none are complete. "
                "Set them as boto3 reads them, or use --anonymous."
            ) from error
        # Everything else of botocore, urllib3 and the socket is a connection in trouble.
        if isinstance(error, exceptions.BotoCoreError | OSError) or "urllib3" in str(type(error)):
            raise CutBodyError(f"{type(error).__name__}: {error}") from error
        raise error


def _open_client(access: BucketAccess) -> S3Client:
    """A client with short time-outs; retries of whole requests are boto3's, of bodies ours."""
    import boto3  # noqa: PLC0415 - 0.3 s that --help need not pay
    from botocore import UNSIGNED  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415
    from botocore.exceptions import BotoCoreError  # noqa: PLC0415

    try:
        session = boto3.Session()
        is_signed = access.is_signed
        if is_signed is None:
            is_signed = session.get_credentials() is not None
        options: dict[str, Any] = {} if is_signed else {"signature_version": UNSIGNED}
        return session.client(
            "s3",
            endpoint_url=access.endpoint_url,
            region_name=session.region_name or access.region,
            config=Config(
                connect_timeout=10,
                read_timeout=30,
                max_pool_connections=32,
                retries={"mode": "standard", "total_max_attempts": 4},
                s3={"addressing_style": "path" if access.endpoint_url else "auto"},
                **options,
            ),
        )
    except (BotoCoreError, ValueError) as error:
        raise UsageError(f"the S3 settings cannot be used: {error}") from error


def _check_range(reply: Any, source_object: SourceObject, start: int, n_bytes: int) -> None:
    """Refuse a reply that is not the asked part of the listed object.

    boto3 takes a 200 with the whole object, or any other range, for an answer.
    """
    expected = f"bytes {start}-{start + n_bytes - 1}/{source_object.n_bytes}"
    status = reply["ResponseMetadata"]["HTTPStatusCode"]
    got = reply.get("ContentRange")
    if status != 206 or got != expected:
        reply["Body"].close()
        if got and not got.endswith(f"/{source_object.n_bytes}"):
            raise SourceChanged(f"{source_object.url}: expected {expected!r}, got {got!r}.")
        raise SourceError(
            f"{source_object.url}: asked for {expected!r}, got status {status} with {got!r}. "
            "The server or a proxy does not honour ranges; use another endpoint."
        )
    if reply.get("ETag", source_object.etag) != source_object.etag:
        reply["Body"].close()
        raise _explained("412", source_object.url, BucketAccess())


def _is_refusal(error: ClientError) -> bool:
    """Whether the store answered with a no, rather than that it is in trouble."""
    return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) in range(300, 500)


#: What codes mean to who reads; an answer without any of them is worth another try.
_MEANINGS: Final[tuple[tuple[set[str], type[SourceError], str], ...]] = (
    (
        s3_codes.NO_BUCKET,
        SourceMissing,
        "no such bucket{where}. Check its name and the endpoint.",
    ),
    (s3_codes.MISSING, SourceMissing, "no such object{where}. Check the prefix."),
    (s3_codes.CLOCK, SourceForbidden, f"{s3_codes.CHECK_CLOCK}, or use --anonymous."),
    (
        s3_codes.CREDENTIALS,
        SourceForbidden,
        "the credentials were refused ({code}). Try --anonymous.",
    ),
    (
        s3_codes.FORBIDDEN,
        SourceForbidden,
        (
            "permission denied{where} ({code}). Check the bucket's policy, your credentials, or "
            "choose --signed or --anonymous."
        ),
    ),
    (
        s3_codes.SHORTER,
        SourceChanged,
        (
            "the object is shorter than when it was listed ({code}). Nothing was published; wait "
            "until whatever writes it is done, then run again."
        ),
    ),
    (
        s3_codes.CHANGED,
        SourceChanged,
        (
            "the object was replaced while it was read. Nothing was published; run again to read "
            "the new one."
        ),
    ),
)


def _explained(code: str, url: str, access: BucketAccess) -> SourceError:
    """The user's version of an S3 error code."""
    where = f" at {access.endpoint_url}" if access.endpoint_url else ""
    for codes, kind, meaning in _MEANINGS:
        if code in codes:
            return kind(f"{url}: {meaning.format(where=where, code=code)}")
    return SourceUnreachable(f"{url}: the object store answered {code}{where}. Try again later.")
