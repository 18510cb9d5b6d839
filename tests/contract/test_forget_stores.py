"""Removal that lasts, from a mirror in a directory and from one in a bucket."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from tests.fakes.forgetting import (
    CANARY,
    FIRST,
    OTHER,
    OWNER,
    SECOND,
    make_owned,
    owned_items,
    tombstone,
)
from tests.fakes.mirror_checks import download
from tests.fakes.mirror_items import FakeAcquire, make_item, media_bytes
from tests.fakes.mirror_places import BucketPrefix, MirrorPlace
from yfcc.catalog.tombstones import Kind, Reason, parse_list
from yfcc.errors import LockedError, TargetError
from yfcc.mirror.bucket.objects import Objects
from yfcc.mirror.claim import claim_shards
from yfcc.mirror.forget import ForgetSummary, forget, preview
from yfcc.mirror.forget_lists import write_list
from yfcc.mirror.opening import create_any, open_any
from yfcc.mirror.tombstones import LiveTombstones, open_tombstones, read_removals
from yfcc.mirror.verify import verify_mirror
from yfcc.model import Outcome, shard_of

LIST = "ledger/tombstones.jsonl"
#: Every so many requests one is the last; ``YFCC_FAULTS=all`` makes it each of them.
CUT_STEP = 1 if os.environ.get("YFCC_FAULTS") == "all" else 3


@pytest.fixture
def versioned(bucket: BucketPrefix) -> BucketPrefix:
    """A bucket that keeps old versions."""
    if bucket.store.name == "radosgw":
        pytest.skip("radosgw forgets If-None-Match in such buckets: no mirror is kept there")
    bucket.store.client.put_bucket_versioning(
        Bucket=bucket.bucket, VersioningConfiguration={"Status": "Enabled"}
    )
    return bucket


def fill(place: MirrorPlace, items=None, acquire: FakeAcquire | None = None, **options):
    address = place.address if place.is_bucket else Path(place.address)
    return download(address, owned_items() if items is None else items, acquire, **options)


def remove(place: MirrorPlace, *named: object, kind: Kind = Kind.ID) -> ForgetSummary:
    with open_any(place.address) as mirror:
        return forget(mirror, [tombstone(each, kind) for each in named])


def traces(place: MirrorPlace, *photo_ids: int) -> list[str]:
    """Files with an item's bytes, its name, or the address it came from."""
    found = []
    for path in place.list():
        content = place.read(path)
        for photo_id in photo_ids:
            wanted = (media_bytes(photo_id, 500), f"{photo_id}_0.jpg".encode())
            named = path.rpartition("/")[2].partition(".")[0] == str(photo_id)
            if named or any(each in content for each in wanted):
                found.append(path)
    return found


def nothing_left(place: MirrorPlace, *photo_ids: int) -> None:
    assert traces(place, *photo_ids) == []
    records = place.records()
    for photo_id in photo_ids:
        found = {name for name, value in records.get(photo_id, {}).items() if value}
        told = {"photo_id", "outcome", "first_error", "fetched_at", "run_id", "shard"}
        assert found <= told
    with open_any(place.address) as mirror:
        assert verify_mirror(mirror).damages == []
        assert not read_removals(mirror).pending


def test_an_item_is_gone_and_never_asked_for_again(place: MirrorPlace) -> None:
    fill(place)
    before = place.records()[OTHER]
    summary = remove(place, FIRST)
    assert (summary.n_new, summary.n_items, summary.n_files, summary.left) == (1, 1, 2, [])
    nothing_left(place, FIRST)
    assert place.records()[FIRST]["outcome"] == "forgotten"
    assert place.records()[OTHER] == before
    for force in (False, True):
        again = FakeAcquire()
        assert fill(place, acquire=again, force=force).outcomes["forgotten"] == 1
        assert FIRST not in again.asked
    nothing_left(place, FIRST)


def test_by_owner_hash_and_digest(place: MirrorPlace) -> None:
    fill(place)
    assert remove(place, OWNER, kind=Kind.USER).n_items == 2
    nothing_left(place, FIRST, SECOND)
    assert not any(CANARY in place.read(path) for path in place.list())
    digest = hashlib.sha256(media_bytes(OTHER)).hexdigest()
    assert remove(place, digest, kind=Kind.SHA256).n_items == 1
    nothing_left(place, OTHER)
    item = make_owned(OTHER + 1, "11111111@N01", "")
    fill(place, [item])
    assert remove(place, item.photo_hash, kind=Kind.HASH).n_items == 1
    nothing_left(place, item.photo_id)
    assert fill(place, [item], again := FakeAcquire()).outcomes == {"forgotten": 1}
    assert not again.asked


@pytest.mark.parametrize("how", ["lost", "damaged"])
@pytest.mark.parametrize("has_json", [True, False])
def test_by_digest_where_the_ledger_is_lost_or_damaged(
    place: MirrorPlace, how: str, has_json: bool
) -> None:
    fill(place)
    path = f"ledger/{shard_of(FIRST):03x}.jsonl"
    if how == "lost":
        place.remove(path)
    else:
        place.write(path, place.read(path).replace(b'"outcome":"stored"', b'"outcome":"stoned"'))
    if not has_json:
        document = next(each for each in place.list() if each.endswith(f"{FIRST}.json"))
        place.write(document, b'{"media":')
    digests = [hashlib.sha256(media_bytes(each)).hexdigest() for each in (FIRST, SECOND)]
    assert remove(place, *digests, kind=Kind.SHA256).n_items == 2
    assert traces(place, FIRST, SECOND) == []
    assert fill(place, acquire=FakeAcquire()).outcomes["forgotten"] == 2
    assert traces(place, FIRST, SECOND) == []


def test_a_second_time_and_a_preview_change_nothing(place: MirrorPlace) -> None:
    fill(place)
    with open_any(place.address) as mirror:
        told = preview(mirror, [tombstone(OWNER, Kind.USER), tombstone(7)])
    assert (told.n_items, told.n_files, told.unknown) == (2, 4, [7])
    assert LIST not in place.list()
    remove(place, FIRST)
    paths = [path for path in place.list() if path != LIST]
    contents = [place.read(path) for path in paths]
    assert (remove(place, FIRST).n_new, remove(place).n_items) == (0, 0)
    assert [path for path in place.list() if path != LIST] == paths
    assert [place.read(path) for path in paths] == contents


def test_lists_pass_from_place_to_place(place: MirrorPlace, tmp_path: Path) -> None:
    fill(place)
    remove(place, OWNER, kind=Kind.USER)
    with open_any(place.address) as mirror, create_any(str(tmp_path / "other")) as other:
        assert write_list(mirror, tmp_path / "list") == 3
        found = parse_list(tmp_path.joinpath("list").read_bytes(), Reason.OTHER, "1999-01-01")
        assert forget(other, found).n_new == 3
        write_list(other, tmp_path / "back")
    assert sorted((tmp_path / "back").read_bytes().splitlines()) == sorted(
        (tmp_path / "list").read_bytes().splitlines()
    )


def test_a_run_at_work_is_not_disturbed_and_the_removal_follows(place: MirrorPlace) -> None:
    fill(place)
    with open_any(place.address) as mirror:
        shards = frozenset({shard_of(FIRST)})
        with (
            claim_shards(mirror, shards, "another", "2026-11-21T00:00:00.000Z"),
            pytest.raises(LockedError, match="run `yfcc forget` again"),
        ):
            forget(mirror, [tombstone(FIRST)])
    assert traces(place, FIRST) != []
    assert fill(place, acquire=FakeAcquire()).outcomes["forgotten"] == 1
    nothing_left(place, FIRST)


def test_a_run_sees_what_is_removed_while_it_lasts(place: MirrorPlace) -> None:
    fill(place)
    with open_any(place.address) as mirror:
        live = LiveTombstones(mirror, look_every_s=0)
        live.refresh()
        assert not live.removed
        remove(place, FIRST)
        live.refresh()
        assert FIRST in live.removed.ids


def test_of_two_lists_in_a_bucket_the_later_is_refused_and_nothing_is_lost(
    bucket: BucketPrefix,
) -> None:
    fill(bucket)
    with (
        open_any(bucket.address) as mirror,
        open_tombstones(mirror) as first,
        open_tombstones(mirror) as second,
    ):
        first.add([tombstone(FIRST)])
        with pytest.raises(LockedError, match="run again"):
            second.add([tombstone(SECOND)])
        with open_tombstones(mirror) as third:
            third.add([tombstone(OTHER)])
        # The third's removal is not the first's to note as done.
        with pytest.raises(LockedError):
            first.mark_mirror_done()
        assert len(read_removals(mirror).pending) == 2


class DyingObjects(Objects):
    """A bucket that is gone from its n-th change on."""

    n_left = 10**9

    def _call(self, method, **arguments):
        is_change = method.__name__.startswith(("put_", "delete_"))
        if is_change and "/locks/" not in str(arguments):
            DyingObjects.n_left -= 1
        if DyingObjects.n_left <= 0:
            raise ClientError({"Error": {"Code": "InternalError"}}, method.__name__)
        return super()._call(method, **arguments)


def test_a_removal_cut_short_at_any_request_is_made_good(bucket: BucketPrefix) -> None:
    gone = FakeAcquire(lambda _: Outcome.GONE)
    # Many records of the shard that are put together, so that the item's own commit is not.
    others = [make_item(FIRST + 100 + n) for n in range(40)]
    assert {item.shard for item in others} == {shard_of(FIRST)}
    (item,) = (item for item in owned_items() if item.photo_id == FIRST)
    ledger = f"ledger/{shard_of(FIRST):03x}"
    n, is_cut = 1 - CUT_STEP, True
    while is_cut:
        n += CUT_STEP
        for path in bucket.list(ledger):
            bucket.remove(path)
        fill(bucket, others, gone)
        fill(bucket, [item])
        assert f"{ledger}/00000001.jsonl" in bucket.list() or len(bucket.list(f"{ledger}/")) == 1
        with open_any(bucket.address) as mirror:
            mirror.objects.__class__ = DyingObjects
            DyingObjects.n_left = n
            try:
                forget(mirror, [tombstone(FIRST)])
            except TargetError:
                is_cut = True
            else:
                is_cut = False
            DyingObjects.n_left = 10**9
        for path in bucket.list("ledger/locks/"):
            bucket.remove(path)
        if LIST not in bucket.list():
            assert is_cut
            remove(bucket, FIRST)
        elif n // CUT_STEP % 2:
            assert fill(bucket, [item], FakeAcquire()).outcomes == {"forgotten": 1}
        else:
            remove(bucket)
        nothing_left(bucket, FIRST)
        bucket.remove(LIST)
    assert n > 2 * CUT_STEP


def test_old_versions_in_a_bucket_go_as_well(versioned: BucketPrefix) -> None:
    bucket = versioned
    fill(bucket)
    n_others = len(list_versions(bucket, str(OTHER)))
    assert remove(bucket, FIRST, SECOND).left == []
    nothing_left(bucket, FIRST, SECOND)
    assert list_versions(bucket, str(FIRST), str(SECOND)) == []
    assert len(list_versions(bucket, str(OTHER))) == n_others == 2
    assert not any(
        str(photo_id).encode() + b"_0.jpg" in read_version(bucket, each)
        for photo_id in (FIRST, SECOND)
        for each in list_versions(bucket, "ledger/")
        if "/runs/" not in each["Key"]
    )


def list_versions(bucket: BucketPrefix, *wanted: str) -> list[dict]:
    page = bucket.store.client.list_object_versions(Bucket=bucket.bucket)
    found = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
    return [each for each in found if any(text in each["Key"] for text in wanted)]


def read_version(bucket: BucketPrefix, each: dict) -> bytes:
    if "Size" not in each:
        return b""  # the mark of a deletion
    answer = bucket.store.client.get_object(
        Bucket=bucket.bucket, Key=each["Key"], VersionId=each["VersionId"]
    )
    with answer["Body"] as body:
        return body.read()


@pytest.mark.parametrize("refused", ["list_object_versions", "delete_objects"])
def test_old_versions_that_may_not_be_removed_are_told(
    versioned: BucketPrefix, refused: str
) -> None:
    bucket = versioned
    fill(bucket)

    class Refusing(Objects):
        """A store whose policy forbids what is done to versions."""

        def ask(self, operation, **arguments):
            if operation == refused:
                raise ClientError({"Error": {"Code": "AccessDenied"}}, operation)
            return super().ask(operation, **arguments)

    with open_any(bucket.address) as mirror:
        mirror.objects.__class__ = Refusing
        summary = forget(mirror, [tombstone(FIRST)])
    (left,) = summary.left
    assert "keeps old versions of what was removed" in left
    assert "s3:DeleteObjectVersion" in left
    assert remove(bucket, FIRST).left == []
    assert list_versions(bucket, str(FIRST)) == []
