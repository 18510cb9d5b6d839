"""What the commands ask of the system: in the right order, and one call of it failing.

Traced and disturbed by strace, which needs no root; skipped where it is missing or may not trace.
The n-th call is the n-th of any one thread, as strace counts. ``YFCC_FAULTS=all`` tries every n,
until the command succeeds.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import RunYfcc, SampleAt
from tests.fakes.fault_counts import count_cases
from tests.fakes.mirror_commands import COMMANDS, state_of
from tests.fakes.strace import Call, parse_trace, traced, why_not
from tests.flow.test_metadata_resume import check_same, tables_of
from yfcc.demo.serve import EmbeddedServers

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())
REPOSITORY = Path(__file__).parents[2]
IS_ALL = os.environ.get("YFCC_FAULTS") == "all"
WRITES, SYNCS = ("write", "pwrite64"), ("fsync", "fdatasync")
RENAMES = ("rename", "renameat", "renameat2")
#: Fault, and the first of its calls that are tried.
FAULTS = {
    "fsync:error=EIO": (SYNCS, (1, 3)),
    "rename:signal=KILL": (RENAMES, (1, 2)),
    "write:error=ENOSPC": (("pwrite64",), (1,)),
}


def run_traced(log: Path, *options: str, command: list[object]) -> subprocess.CompletedProcess[str]:
    """Run Python under strace."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("YFCC_")}
    return subprocess.run(
        traced([sys.executable, "-m", *command], log, *options),
        cwd=REPOSITORY,
        env=clean | {"AWS_EC2_METADATA_DISABLED": "true"},
        capture_output=True,
        text=True,
        check=False,
    )


class Trace:
    """Questions about the order of calls."""

    def __init__(self, calls: list[Call]) -> None:
        self.calls = calls

    def of(self, names: tuple[str, ...], path: str, text: str = "") -> list[Call]:
        """Calls that change a path."""
        return [
            call
            for call in self.calls
            if call.name in names and call.paths and call.paths[-1] == path and text in call.text
        ]

    def check_published(self, path: Path) -> Call:
        """A file was written, synced, renamed, its folder synced; the call that synced that."""
        (renamed,) = self.of(RENAMES, str(path))
        part = renamed.paths[0]
        last_write = max(call.ended for call in self.of(WRITES, part))
        synced = [call for call in self.of(SYNCS, part) if call.began > last_write]
        assert synced, f"{path} was renamed before it was synced"
        assert synced[0].ended < renamed.began
        after = [call for call in self.of(SYNCS, str(path.parent)) if call.began > renamed.ended]
        assert after, f"the name of {path} was not synced"
        return after[0]


def test_media_and_json_are_durable_before_the_ledger_tells_of_them(
    tmp_path: Path, sample: SampleAt, run_yfcc: RunYfcc
) -> None:
    mirror, catalog = tmp_path / "mirror", tmp_path / "catalog.duckdb"
    source = sample.directory / "buckets" / "yfcc100m-metadata" / "v2"
    built = run_yfcc("metadata", "--source", str(source), "--catalog", str(catalog), "--quiet")
    assert built.returncode == 0, built.stderr
    names = ",".join((*WRITES, *SYNCS, *RENAMES))
    with EmbeddedServers(sample.directory) as servers:
        done = run_traced(
            tmp_path / "trace",
            *("--seccomp-bpf", "-y", "-s", "100000", "-e", f"trace={names}"),
            command=[
                *("yfcc.cli.main", "download", "--catalog", catalog, "--mirror", mirror),
                *("--s3-endpoint", servers.s3_endpoint, "--lines", "1-60", "--quiet"),
            ],
        )
    assert done.returncode == 0, done.stderr
    trace = Trace(parse_trace((tmp_path / "trace").read_text(errors="replace")))
    documents = sorted(mirror.glob("media/*/*/*.json"))
    assert len(documents) > 20
    for document in documents:
        described = json.loads(document.read_bytes())
        media = mirror / described["media"]["path"]
        durable = max(trace.check_published(path).ended for path in (document, media))
        ledgers = [
            call
            for call in trace.calls
            if call.name in WRITES
            and call.paths[-1].startswith(f"{mirror}/ledger/")
            and call.paths[-1].endswith(".jsonl")
            and rf"\"photo_id\":{described['photo_id']}," in call.text
        ]
        (recorded,) = ledgers
        assert durable < recorded.began, f"{media} was recorded before it was durable"
        synced = [
            each for each in trace.of(SYNCS, recorded.paths[-1]) if each.began > recorded.ended
        ]
        assert synced, "the record was not synced"
    count_cases(1)


def numbers(first: tuple[int, ...]) -> Iterator[int]:
    return itertools.count(1) if IS_ALL else iter(first)


def inject(
    fault: str, n: int, log: Path, command: list[object]
) -> tuple[subprocess.CompletedProcess[str], bool]:
    """Run a command whose n-th call fails; whether there was such a call."""
    names = FAULTS[fault][0]
    kind = fault.partition(":")[2]
    call = ",".join(names)
    options = ("-e", f"trace={call}", "-e", f"inject={call}:{kind}:when={n}")
    done = run_traced(log, *options, command=command)
    is_hit = "(INJECTED)" in log.read_text(errors="replace") or done.returncode < 0
    return done, is_hit


def check_end(done: subprocess.CompletedProcess[str], fault: str, *, is_hit: bool) -> None:
    """A failed run says so in one line and with its code; a killed one is dead."""
    if not is_hit:
        assert done.returncode == 0, done.stderr
    elif "KILL" in fault:
        assert done.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL)
    else:
        assert done.returncode in (0, 6), done.stderr
        assert "Traceback" not in done.stderr
        assert done.stderr.count("\n") <= 1, done.stderr


@pytest.mark.parametrize("fault", ["fsync:error=EIO", "rename:signal=KILL"])
@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_whose_call_to_the_system_fails_is_made_good(
    tmp_path: Path, name: str, fault: str
) -> None:
    command = COMMANDS[name]
    whole = tmp_path / "whole"
    command.prepare(whole)
    command.finish(whole)
    n_cases = 0
    for n in numbers(FAULTS[fault][1]):
        root = tmp_path / str(n)
        command.prepare(root)
        run = ["tests.fakes.mirror_commands", name, root]
        done, is_hit = inject(fault, n, tmp_path / "log", run)
        check_end(done, fault, is_hit=is_hit)
        command.check(root)
        command.finish(root)
        assert state_of(root) == state_of(whole)
        if not is_hit:
            break
        n_cases += 1
    assert n_cases
    count_cases(n_cases)


@pytest.mark.parametrize("fault", FAULTS if IS_ALL else list(FAULTS)[:1])
def test_a_build_whose_call_to_the_system_fails_publishes_all_or_nothing(
    tmp_path: Path, sample: SampleAt, run_yfcc: RunYfcc, fault: str
) -> None:
    source = sample.directory / "buckets" / "yfcc100m-metadata" / "v2"
    flags = ["metadata", "--quiet", "--source", str(source), "--catalog"]
    whole = tmp_path / "whole" / "catalog.duckdb"
    assert run_yfcc(*flags, str(whole)).returncode == 0
    n_cases = 0
    for n in numbers(FAULTS[fault][1][-1:]):
        catalog = tmp_path / str(n) / "catalog.duckdb"
        done, is_hit = inject(fault, n, tmp_path / "log", ["yfcc.cli.main", *flags, str(catalog)])
        check_end(done, fault, is_hit=is_hit)
        if catalog.exists():
            assert tables_of(catalog) == tables_of(whole)
        again = run_yfcc(*flags, str(catalog))
        assert again.returncode == 0, again.stderr
        check_same(catalog, tables_of(whole))
        if not is_hit:
            break
        n_cases += 1
    assert n_cases
    count_cases(n_cases)


def test_an_export_whose_sync_fails_leaves_nothing(
    tmp_path: Path, sample: SampleAt, run_yfcc: RunYfcc
) -> None:
    source, catalog = sample.directory / "buckets" / "yfcc100m-metadata" / "v2", "catalog.duckdb"
    assert run_yfcc("metadata", "--source", str(source), "--catalog", catalog).returncode == 0
    fault, flags = "fsync:error=EIO", ["--catalog", str(tmp_path / catalog), "--out"]
    n_cases = 0
    for n in numbers((1,)):
        out = tmp_path / f"export-{n}"
        command = ["yfcc.cli.main", "export", "parquet", *flags, out]
        done, is_hit = inject(fault, n, tmp_path / "log", command)
        if not is_hit:
            break
        # The last one makes the new name durable: the export is there, and whole.
        assert done.returncode == 6, done.stderr
        assert "Traceback" not in done.stderr
        assert not out.exists() or (out / "_manifest.json").exists()
        done = run_yfcc("export", "parquet", *flags, str(out), "--overwrite")
        assert done.returncode == 0, done.stderr
        n_cases += 1
    assert n_cases
    count_cases(n_cases)
