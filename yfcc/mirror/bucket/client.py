"""boto3's client for a mirror, and what its errors mean to the user."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from yfcc.catalog.bucket_files import reason_of
from yfcc.errors import TargetError, UsageError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

#: Requests under way at a time.
N_CONNECTIONS: Final = 32


#: What no whole answer lacks: without it a list would pass for empty.
_ALWAYS: Final = {
    "get_object": {"ETag", "ContentLength"},
    "put_object": {"ETag"},
    "upload_part": {"ETag"},
    "create_multipart_upload": {"UploadId"},
    "list_objects_v2": {"IsTruncated"},
}


class TornAnswerError(OSError):
    """The headers of an answer broke off."""


def ask_whole(method: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
    """The answer to one of boto3's calls.

    Raises
    ------
    TornAnswerError
        It lacks what every answer has: boto3 takes the end of a connection for that of headers.
    """
    answer = method(**arguments)
    lacking = _ALWAYS.get(method.__name__, set()) - answer.keys()
    if lacking:
        raise TornAnswerError(f"the answer has no {min(lacking)}")
    return answer


def is_torn(error: Exception) -> bool:
    """Whether an answer broke off in a way that boto3 does not ask again for."""
    return isinstance(error, TornAnswerError) or type(error).__module__.startswith("urllib3")


def is_cut(error: Exception) -> bool:
    """Whether connections were closed, each time that boto3 asked: perhaps by no store at all."""
    from botocore.exceptions import ConnectionClosedError  # noqa: PLC0415

    return isinstance(error, ConnectionClosedError)


def code_of(error: Exception) -> str | None:
    """The store's code in an error; None if it did not answer."""
    from botocore.exceptions import ClientError  # noqa: PLC0415

    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", ""))
    return None


@contextmanager
def bucket_errors(done: str, url: str) -> Iterator[None]:
    """Turn what the object store, or the way to it, says into a :class:`TargetError`.

    Parameters
    ----------
    done : str
        What was to be done, as a participle.
    url : str
        To what.
    """
    try:
        yield
    except Exception as error:
        if not _is_of_store(error):
            raise
        raise TargetError(f"{url}: cannot be {done}: {reason_of(error)}") from error


def _is_of_store(error: Exception) -> bool:
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    is_known = isinstance(error, BotoCoreError | ClientError | OSError)
    return is_known or type(error).__module__.startswith("urllib3")


def open_client(endpoint_url: str | None) -> S3Client:
    """A client that slows down with the store and asks again after cut connections."""
    import boto3  # noqa: PLC0415 - 0.3 s that mirrors in directories need not pay
    from botocore import UNSIGNED  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415
    from botocore.exceptions import BotoCoreError  # noqa: PLC0415

    try:
        session = boto3.Session()
        options: dict[str, Any] = {}
        if session.get_credentials() is None:
            options["signature_version"] = UNSIGNED
        return session.client(
            "s3",
            endpoint_url=endpoint_url,
            region_name=session.region_name or "us-east-1",
            config=Config(
                connect_timeout=10,
                read_timeout=60,
                max_pool_connections=N_CONNECTIONS + 4,
                # Its mode "adaptive" goes down to one request in two seconds after a refusal.
                retries={"mode": "standard", "total_max_attempts": 3},
                s3={"addressing_style": "path" if endpoint_url else "auto"},
                # Content-MD5 does what they do, and servers other than Amazon's know it.
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                **options,
            ),
        )
    except (BotoCoreError, ValueError) as error:
        raise UsageError(f"the S3 settings cannot be used: {error}") from error
