"""Files that DuckDB writes to a bucket, and what the object store says when it refuses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from yfcc.errors import TargetError
from yfcc.metadata.source import s3_codes

_CHECK_KEYS: Final = "Check your credentials: boto3 finds them in AWS_* variables and profiles"


@dataclass(slots=True)
class BucketFiles:
    """A file system for DuckDB that keeps what was raised.

    DuckDB passes on the text of a Python exception alone, and s3fs makes a ``PermissionError``
    without a text of many of the store's answers.

    Attributes
    ----------
    filesystem : fsspec.AbstractFileSystem
        To be registered with a connection.
    errors : list of Exception
        Of the store's answers, in their order; some are what was expected.
    """

    filesystem: Any = field(init=False)
    errors: list[Exception] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.filesystem = _open_watched(self.errors)

    def explain(self, target: str, text: str) -> TargetError:
        """Why a file could not be written, and what to do next.

        Parameters
        ----------
        target : str
            Its address.
        text : str
            DuckDB's message.
        """
        reason = reason_of(self.errors[-1]) if self.errors else f"{_last_line(text)}."
        return TargetError(f"{target}: cannot be written: {reason}")


def _open_watched(errors: list[Exception]) -> Any:
    import s3fs  # noqa: PLC0415 - 0.5 s that only queries into a bucket need
    from fsspec.asyn import sync_wrapper  # noqa: PLC0415

    class Watched(s3fs.S3FileSystem):  # type: ignore[misc]
        async def _call_s3(self, *arguments: Any, **more: Any) -> Any:
            try:
                return await super()._call_s3(*arguments, **more)
            except Exception as error:
                errors.append(error)
                raise

        call_s3 = sync_wrapper(_call_s3)

    return Watched(skip_instance_cache=True)


def reason_of(error: Exception) -> str:
    """What the store, or the way to it, says."""
    from botocore import exceptions  # noqa: PLC0415

    for each in _chain(error):
        if isinstance(each, exceptions.ClientError):
            return _meaning(each.response.get("Error", {}).get("Code", ""))
        if isinstance(each, exceptions.NoCredentialsError | exceptions.PartialCredentialsError):
            return f"no credentials are complete. {_CHECK_KEYS}."
        if isinstance(each, exceptions.ParamValidationError):
            return "not a valid bucket name or key. Check the address."
        if isinstance(each, exceptions.HTTPClientError | exceptions.ConnectionError):
            return f"{str(each).rstrip('.')}. Check the network and AWS_ENDPOINT_URL_S3."
    return f"{type(error).__name__}: {error}."


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error, its cause, and so on."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _meaning(code: str) -> str:
    """The user's version of an S3 error code."""
    if code in s3_codes.NO_BUCKET:
        return f"no such bucket ({code}). Check its name and AWS_ENDPOINT_URL_S3, or make it."
    if code in s3_codes.CLOCK:
        return f"{s3_codes.CHECK_CLOCK}."
    if code in s3_codes.CREDENTIALS:
        return f"the credentials were refused ({code}). {_CHECK_KEYS}."
    if code in s3_codes.FORBIDDEN:
        return f"permission denied ({code}). Check the bucket's policy, and your credentials."
    return f"the object store answered {code}. Try again later."


def _last_line(text: str) -> str:
    return text.strip().splitlines()[-1].rstrip(".")
