"""The mirror's pure rules: names, shards, waves, counts, exit codes."""

from __future__ import annotations

import errno
import pickle
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.mirror_items import FINGERPRINT
from yfcc.errors import LockedError, RateLimitedError, TargetError, UsageError, YfccError
from yfcc.mirror.disk import describe_error, target_errors
from yfcc.mirror.layout import (
    EXTENSIONS,
    check_extension,
    directory_parts,
    document_name,
    extension_in,
    ledger_name,
    media_name,
    media_path,
    parse_ledger_name,
)
from yfcc.mirror.open_files import count_open_files
from yfcc.mirror.plan import plan_download
from yfcc.mirror.shards import format_shards, parse_shards, parse_share, share_of_shards
from yfcc.mirror.space import decide_floor
from yfcc.mirror.totals import RunEnd, RunSummary, RunTotals, decide_exit_code
from yfcc.model import N_SHARDS, Outcome, media_directory

photo_ids = st.integers(min_value=1, max_value=2**63 - 1)
extensions = st.sampled_from(sorted(EXTENSIONS))


@given(photo_ids, extensions)
def test_a_media_path_is_digits_and_a_known_extension(photo_id: int, extension: str) -> None:
    path = media_path(photo_id, extension)
    assert path == f"{media_directory(photo_id)}/{photo_id}.{extension}"
    assert "/".join(directory_parts(photo_id)) == media_directory(photo_id)
    assert extension_in(path, photo_id) == extension
    assert path == path.casefold()
    assert max(map(len, path.split("/"))) <= 64
    assert document_name(photo_id) != media_name(photo_id, extension)


@given(photo_ids, photo_ids)
def test_names_of_two_items_differ_on_any_file_system(one: int, other: int) -> None:
    same = media_path(one, "jpg").casefold() == media_path(other, "jpg").casefold()
    assert same == (one == other)


@pytest.mark.parametrize(
    "path",
    [
        "media/420/715/4207153986.json",
        "media/420/715/4207153986.JPG",
        "media/420/715/4207153986.jpg\n",
        "media/420/716/4207153986.jpg",
        "media/420/715/4207153987.jpg",
        "media/420/715/04207153986.jpg",
        "/media/420/715/4207153986.jpg",
        "media/420/715/../541/4207153986.jpg",
        "media/420/715/4207153986.jpg/",
        "media/\uff1420/715/4207153986.jpg",
        "",
    ],
)
def test_a_recorded_path_is_not_trusted(path: str) -> None:
    assert extension_in(path, 4207153986) is None


@given(st.text(max_size=6).filter(lambda text: text not in EXTENSIONS))
def test_other_extensions_are_refused(extension: str) -> None:
    with pytest.raises(YfccError):
        check_extension(extension)


def test_every_shard_has_its_ledger_file() -> None:
    names = [ledger_name(shard) for shard in range(N_SHARDS)]
    assert len(set(names)) == N_SHARDS
    assert [parse_ledger_name(name) for name in names] == list(range(N_SHARDS))
    for other in ("locks", "runs", "1000.jsonl", "0A3.jsonl", "a3.jsonl", "0a3.jsonl.x.part"):
        assert parse_ledger_name(other) is None


@given(st.frozensets(st.integers(0, N_SHARDS - 1), min_size=1, max_size=60))
def test_shards_are_read_as_they_are_written(shards: frozenset[int]) -> None:
    assert parse_shards(format_shards(shards)) == shards


def test_shards_are_written_as_ranges() -> None:
    assert format_shards(range(N_SHARDS)) == "0-4095"
    assert format_shards([70, 0, 2, 1]) == "0-2,70"
    assert format_shards([]) == ""
    assert parse_shards(" 0-2 , 70") == {0, 1, 2, 70}


@pytest.mark.parametrize(
    "text", ["", "4096", "5-4", "-1", "1-", "a", "1;2", "0x3", "\uff11", "1,,2"]
)
def test_other_lists_of_shards_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="0 to 4095"):
        parse_shards(text)


@given(st.integers(1, N_SHARDS))
def test_shares_are_disjoint_nearly_equal_and_complete(n_parts: int) -> None:
    first, last = share_of_shards(0, n_parts), share_of_shards(n_parts - 1, n_parts)
    assert min(first) == 0
    assert max(last) == N_SHARDS - 1
    middle = n_parts // 2
    if middle:
        assert (
            min(share_of_shards(middle, n_parts)) == max(share_of_shards(middle - 1, n_parts)) + 1
        )
    assert {len(first), len(last)} <= {N_SHARDS // n_parts, N_SHARDS // n_parts + 1}


@pytest.mark.parametrize(("index", "n_parts"), [(-1, 4), (4, 4), (0, 0), (0, 4097)])
def test_shares_that_do_not_exist_are_refused(index: int, n_parts: int) -> None:
    with pytest.raises(UsageError):
        share_of_shards(index, n_parts)
    with pytest.raises(UsageError):
        parse_share(f"{index}/{n_parts}")


def test_a_share_is_read_as_it_is_written() -> None:
    assert parse_share("3/8") == share_of_shards(3, 8)
    for text in ("", "3", "3/", "/8", "3 / 8", "3/8/2", "a/b"):
        with pytest.raises(UsageError, match="I/N"):
            parse_share(text)


@given(
    st.dictionaries(st.integers(0, N_SHARDS - 1), st.integers(0, 300), max_size=60),
    st.integers(1, 500),
)
def test_waves_hold_every_item_once_and_not_too_many(counts: dict[int, int], limit: int) -> None:
    plan = plan_download(counts, items_a_wave=limit)
    shards = [shard for wave in plan.waves for shard in wave]
    assert shards == sorted(shard for shard in counts if counts[shard])
    assert plan.n_selected == sum(counts.values())
    for wave in plan.waves:
        assert len(wave) == 1 or sum(counts[shard] for shard in wave) <= limit


def test_a_plan_keeps_to_the_chosen_shards() -> None:
    plan = plan_download({0: 5, 1: 7, 2: 0}, frozenset({1, 2, 3}))
    assert (plan.n_selected, plan.shards, plan.waves) == (7, {1}, ((1,),))


def summary(end: RunEnd = RunEnd.FINISHED, **numbers: object) -> RunSummary:
    values = {"n_selected": 3, "outcomes": {"stored": 2, "gone": 1}, "not_yet_tried": 0}
    return RunSummary("run-1", FINGERPRINT, "0-4095", "", "", end, **{**values, **numbers})


def test_counts_that_add_up_pass() -> None:
    summary().check()
    summary(RunEnd.INTERRUPTED, n_selected=10, not_yet_tried=7).check()


@pytest.mark.parametrize(
    "wrong",
    [
        summary(n_selected=4),
        summary(not_yet_tried=1),
        summary(n_selected=2, not_yet_tried=-1),
        summary(RunEnd.FINISHED, n_selected=4, not_yet_tried=1),
    ],
)
def test_counts_that_do_not_add_up_are_an_error(wrong: RunSummary) -> None:
    with pytest.raises(YfccError, match="error in yfcc"):
        wrong.check()


@pytest.mark.parametrize(
    ("outcomes", "error", "signal_number", "code"),
    [
        ({Outcome.STORED: 1, Outcome.GONE: 1}, None, None, 0),
        ({}, None, None, 0),
        ({Outcome.STORED: 1, Outcome.FAILED: 1}, None, None, 3),
        ({Outcome.FAILED: 1}, TargetError(""), None, 6),
        ({Outcome.FAILED: 1}, RateLimitedError(""), 2, 7),
        ({}, LockedError(""), None, 5),
        ({}, OSError(""), None, 1),
        ({Outcome.FAILED: 1}, None, 2, 130),
        ({}, None, 15, 143),
    ],
)
def test_exit_code(outcomes, error, signal_number, code) -> None:
    assert decide_exit_code(outcomes, error, signal_number) == code


def test_totals_are_what_was_added() -> None:
    totals = RunTotals(10)
    totals.add(Counter({Outcome.STORED: 2, Outcome.GONE: 1}), n_bytes=50)
    totals.add(Counter({Outcome.ALREADY_STORED: 1}), n_adopted=1)
    progress = totals.snapshot(1.5)
    assert progress.outcomes == {"stored": 2, "gone": 1, "already_stored": 1}
    assert (progress.not_yet_tried, progress.n_bytes, progress.n_adopted) == (6, 50, 1)


def test_the_floor_is_one_percent_and_at_most_two_gibibytes() -> None:
    assert decide_floor(4 << 20) == (4 << 20) // 100
    assert decide_floor(1 << 40) == 2 << 30


def test_a_usual_run_fits_the_usual_limit_of_open_files() -> None:
    assert count_open_files(n_workers=64, n_records=32) <= 1024


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        (errno.ENOSPC, "full"),
        (errno.EDQUOT, "quota"),
        (errno.EROFS, "may not be written"),
        (errno.EIO, "disk failed"),
        (errno.EMFILE, "ulimit -n"),
        (errno.ELOOP, "symbolic link"),
        (errno.EXDEV, "one file system"),
    ],
)
def test_errors_of_the_disk_say_what_to_do(code: int, advice: str) -> None:
    with pytest.raises(TargetError, match=advice) as raised, target_errors("write /mirror/x"):
        raise OSError(code, "said the system")
    assert str(raised.value).startswith("write /mirror/x: said the system; ")
    assert pickle.loads(pickle.dumps(raised.value)).args == raised.value.args


def test_an_unknown_error_of_the_disk_is_passed_on_as_said() -> None:
    assert describe_error("write x", OSError("odd")) == "write x: odd"
