"""What a bucket with versions keeps of objects that were removed or replaced, and its removal."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, Final

from yfcc.errors import TargetError
from yfcc.metadata.source import s3_codes
from yfcc.mirror.bucket.client import bucket_errors, code_of
from yfcc.mirror.bucket.objects import Objects
from yfcc.mirror.bucket.root import BucketMirror
from yfcc.mirror.layout import LEDGER, directory_parts, ledger_name
from yfcc.model import shard_of

_N_DELETIONS: Final = 1000
_REFUSED: Final = frozenset(s3_codes.FORBIDDEN)
#: Stores that know no versions have none to keep.
_UNKNOWN: Final = frozenset({"NotImplemented", "501", "MethodNotAllowed", "405"})


class OldVersions:
    """Old versions of a mirror's objects; for one removal.

    Parameters
    ----------
    objects : Objects

    Raises
    ------
    TargetError
        The store does not answer.

    Attributes
    ----------
    refusal : str or None
        Why old versions may be left; None: none are.
    """

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self.refusal: str | None = None
        self._may_be_there = True
        with bucket_errors("asked for its versions", objects.address):
            try:
                status = objects.ask("get_bucket_versioning").get("Status")
            except Exception as error:
                code = code_of(error)
                if code not in _REFUSED | _UNKNOWN | s3_codes.MISSING:
                    raise
                self._may_be_there = code in _REFUSED  # who may not ask may find some
            else:
                # Suspended: what was kept before is kept.
                self._may_be_there = status in ("Enabled", "Suspended")

    def remove(self, prefix: str) -> None:
        """Remove all but the present versions of objects whose keys begin with a prefix.

        What the store does not allow is noted in :attr:`refusal`.

        Raises
        ------
        TargetError
            The store does not answer.
        """
        if not self._may_be_there or self.refusal is not None:
            return
        try:
            versions, marks = self._list(prefix)
            # A mark goes last: without it what it hides would be there again.
            for some in (versions, marks):
                self._delete(some)
        except _RefusedError as error:
            self.refusal = (
                f"{self._objects.address}: the bucket keeps old versions of what was removed, or "
                f"may do so, and they cannot be removed ({error}). Allow s3:ListBucketVersions and "
                "s3:DeleteObjectVersion and run the same command again, or have a lifecycle rule "
                "expire noncurrent versions"
            )

    def _list(self, prefix: str) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
        versions, marks = [], []
        for page in self._pages(prefix):
            for each in page.get("Versions", []):
                if not each["IsLatest"]:
                    versions.append({"Key": each["Key"], "VersionId": each["VersionId"]})
            for each in page.get("DeleteMarkers", []):
                marks.append({"Key": each["Key"], "VersionId": each["VersionId"]})
        return versions, marks

    def _pages(self, prefix: str) -> Iterator[Any]:
        place: dict[str, Any] = {"Prefix": self._objects.full_key(prefix)}
        while True:
            with bucket_errors("listed", self._objects.url(prefix)):
                try:
                    page = self._objects.ask("list_object_versions", **place)
                except Exception as error:
                    if code_of(error) in _UNKNOWN:
                        return
                    if code_of(error) in _REFUSED:
                        raise _RefusedError(f"listing them: {code_of(error)}") from error
                    raise
            yield page
            if not page.get("IsTruncated"):
                return
            place["KeyMarker"] = page["NextKeyMarker"]
            place["VersionIdMarker"] = page["NextVersionIdMarker"]

    def _delete(self, wanted: list[dict[str, str]]) -> None:
        for start in range(0, len(wanted), _N_DELETIONS):
            some = wanted[start : start + _N_DELETIONS]
            with bucket_errors("emptied", self._objects.address):
                try:
                    answer = self._objects.ask(
                        "delete_objects", Delete={"Objects": some, "Quiet": True}
                    )
                except Exception as error:
                    if code_of(error) in _REFUSED:
                        raise _RefusedError(str(code_of(error))) from error
                    raise
            errors = answer.get("Errors", [])
            if any(each.get("Code") in _REFUSED for each in errors):
                raise _RefusedError(str(errors[0]["Code"]))
            if errors:
                raise TargetError(
                    f"{self._objects.address}: an old version of {errors[0].get('Key')} cannot be "
                    f"removed: the object store answered {errors[0].get('Code')}; run again"
                )


def remove_old_versions(mirror: BucketMirror, photo_ids: Collection[int]) -> list[str]:
    """Remove what a bucket keeps of items that were removed, and of their shards' records.

    The caller holds the shards.

    Returns
    -------
    list of str
        What the store did not allow; empty if nothing is left.

    Raises
    ------
    TargetError
        The store does not answer.
    """
    versions = OldVersions(mirror.objects)
    prefixes = [f"{'/'.join(directory_parts(each))}/{each}." for each in sorted(photo_ids)]
    shards = sorted({shard_of(each) for each in photo_ids})
    prefixes += [f"{LEDGER}/{ledger_name(each).partition('.')[0]}" for each in shards]
    for _ in mirror.map_ahead(versions.remove, prefixes):
        pass
    return [versions.refusal] if versions.refusal else []


class _RefusedError(Exception):
    """The store does not allow it."""
