"""Sharing a run out over processes, and adding up what they say."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from yfcc.engines.combine import add_progress, share_out
from yfcc.engines.messages import Failure
from yfcc.errors import InterruptedRun, LockedError, YfccError
from yfcc.mirror.totals import Fingerprint, RunEnd, RunProgress, RunSummary
from yfcc.mirror.whole_run import add_summaries, name_part, whole_of
from yfcc.model import Outcome

COUNTS = st.dictionaries(st.integers(0, 4095), st.integers(1, 10_000), min_size=1, max_size=60)


@given(COUNTS, st.integers(1, 8))
def test_shares_hold_every_shard_once_in_order_and_nearly_as_many_items(
    counts: dict[int, int], n_shares: int
) -> None:
    shares = share_out(counts, n_shares)
    assert [shard for share in shares for shard in share] == sorted(counts)
    assert {shard: n for share in shares for shard, n in share.items()} == counts
    assert all(shares)
    fair = sum(counts.values()) / n_shares
    assert all(sum(share.values()) <= fair + max(counts.values()) for share in shares)


def progress(n_selected: int, stored: int, gone: int) -> RunProgress:
    outcomes = {Outcome.STORED: stored, Outcome.GONE: gone}
    left = n_selected - stored - gone
    return RunProgress(n_selected, outcomes, left, 10 * stored, 1, float(stored), 3, 2, 4)


def test_progress_adds_up_and_processes_that_said_nothing_count_as_untried() -> None:
    found = add_progress([progress(10, 3, 1), progress(10, 5, 0)], n_selected=30, n_shards=9)
    assert found.outcomes == {Outcome.STORED: 8, Outcome.GONE: 1}
    assert (found.n_selected, found.not_yet_tried) == (30, 21)
    assert (found.n_bytes, found.n_adopted, found.elapsed_s) == (80, 2, 5.0)
    assert (found.n_shards, found.n_shards_done, found.n_known) == (9, 4, 8)


def summary(name: str, shards: str, end: RunEnd, code: int, **outcomes: int) -> RunSummary:
    return RunSummary(
        run_id=name,
        fingerprint=Fingerprint("c", "true", ("s3",), "1"),
        shards=shards,
        started=f"2026-{name}",
        ended=f"2027-{name}",
        end=end,
        n_selected=10,
        outcomes=outcomes,
        not_yet_tried=10 - sum(outcomes.values()),
        n_bytes=5,
        exit_code=code,
        errors={"s3: timeout": 1},
        licenses={"by": 9, name: 1},
    )


def test_summaries_add_up_and_the_highest_exit_code_counts() -> None:
    found = add_summaries(
        [
            summary("1", "0-3", RunEnd.FINISHED, 0, stored=10),
            summary("2", "4-7,9", RunEnd.FINISHED, 3, stored=8, failed=2),
        ],
        None,
    )
    assert found.outcomes == {"stored": 18, "failed": 2}
    assert (found.n_selected, found.not_yet_tried, found.n_bytes) == (20, 0, 10)
    assert (found.shards, found.run_id) == ("0-7,9", "1")
    assert (found.started, found.ended) == ("2026-1", "2027-2")
    assert (found.end, found.exit_code, found.errors) == (RunEnd.FINISHED, 3, {"s3: timeout": 2})
    assert found.licenses == {"by": 18, "1": 1, "2": 1}
    found.check()


def test_a_signal_counts_for_more_than_failed_items_unless_all_were_done() -> None:
    cut = summary("1", "0", RunEnd.INTERRUPTED, 143, stored=2)
    done = summary("2", "1", RunEnd.FINISHED, 3, failed=10)
    assert add_summaries([done, cut], 2).exit_code == 130
    assert add_summaries([done, cut], None).exit_code == 143
    assert add_summaries([done, done], 2).exit_code == 3


def test_an_error_in_one_process_is_that_of_the_whole_run() -> None:
    cut = summary("1", "0", RunEnd.INTERRUPTED, 143, stored=2)
    failed = replace(summary("2", "1", RunEnd.STOPPED, 6, stored=1), error="it is full")
    found = add_summaries([cut, failed])
    assert (found.end, found.exit_code, found.error) == (RunEnd.STOPPED, 6, "it is full")


def test_a_run_is_at_work_as_long_as_one_of_its_processes() -> None:
    done = summary("1", "0", RunEnd.FINISHED, 0, stored=10)
    at_work = replace(summary("2", "1", RunEnd.RUNNING, 0), exit_code=None, ended="")
    found = add_summaries([done, at_work])
    assert (found.end, found.exit_code, found.ended) == (RunEnd.RUNNING, None, "")


def test_the_runs_of_processes_are_named_after_the_whole() -> None:
    whole = "20261201t032919z-c30ba7"
    assert name_part(whole, 3) == f"{whole}-03"
    assert whole_of(name_part(whole, 63)) == whole_of(whole) == whole
    parts = [replace(summary("1", "0", RunEnd.FINISHED, 0), run_id=name_part(whole, 0))]
    assert add_summaries(parts).run_id == whole


def test_errors_of_a_process_arrive_as_what_they_were() -> None:
    for error in (LockedError("held"), YfccError("odd"), InterruptedRun(15, "stopped")):
        found = Failure.of(error).as_error()
        assert type(found) is type(error)
        assert (str(found), found.exit_code) == (str(error), error.exit_code)
