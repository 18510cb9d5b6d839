"""Commands broken off in the n-th call of a disk operation, each in a fork and a mirror.

``python -m tests.fakes.mirror_broken COMMAND ACTION FOLDER N``: for each operation and ``N`` of its
calls, evenly spread, or ``all``, copies ``FOLDER/before`` to ``FOLDER/<operation>-<n>`` and runs
the command of :mod:`tests.fakes.mirror_commands` there; ``ACTION`` is ``KILL``, or an error as
``EIO``. With ``all`` that goes on until the command succeeds. A line of JSON tells how each of them
ended.
"""

from __future__ import annotations

import errno
import itertools
import json
import os
import shutil
import signal
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

from tests.fakes.failing_calls import spread
from tests.fakes.mirror_commands import COMMANDS
from tests.fakes.mirror_disk import CountingDisk, FailingDisk, KillingDisk
from yfcc.errors import TargetError

OPERATIONS = (
    *("open", "close", "write", "truncate", "fsync", "fdatasync"),
    *("rename", "link", "mkdir", "unlink", "rmdir"),
)


class Trial:
    """One command, broken off again and again."""

    def __init__(self, command: str, action: str, folder: Path) -> None:
        self.command = COMMANDS[command]
        self.action = action
        self.folder = folder

    def place(self, name: str) -> Path:
        root = self.folder / name
        if self.folder.joinpath("before").exists():
            shutil.copytree(self.folder / "before", root, symlinks=True)
        return root

    def count_calls(self) -> dict[str, int]:
        """Calls of an undisturbed run, made in a fork: forks come before threads."""
        disk = CountingDisk()
        there, here = os.pipe()
        if not os.fork():
            self.command.run(self.place("counted"), disk)
            os.write(here, json.dumps(disk.counts).encode())
            os._exit(0)
        os.close(here)
        with os.fdopen(there, "rb") as stream:
            found: dict[str, int] = json.loads(stream.read())
        os.wait()
        return found

    def break_off(self, operation: str, n: int) -> int:
        """Run it, and tell how it ended: 0 if nothing happened, 100 if nothing of account did."""
        root = self.place(f"{operation}-{n}")
        if self.action == "KILL":
            disk: FailingDisk = KillingDisk(operation, n)
            expected = -signal.SIGKILL
        else:
            disk = FailingDisk(operation, n, getattr(errno, self.action))
            expected = TargetError.exit_code
        code, message = self._in_fork(root, disk)
        if code not in (0, 100, expected):
            raise RuntimeError(f"{operation} {n}: ended with {code}: {message}")
        print(json.dumps({"root": root.name, "code": code, "message": message}), flush=True)
        return code

    def _in_fork(self, root: Path, disk: FailingDisk) -> tuple[int, str]:
        there, here = os.pipe()
        child = os.fork()
        if not child:
            message = ""
            code = TargetError.exit_code
            try:
                self.command.run(root, disk)
                # No error, and yet its turn came: whatever failed was not needed.
                code = 100 if disk.has_failed else 0
            except TargetError as error:
                message = str(error)
            except BaseException:  # noqa: BLE001 - told, and no exit code of ours
                code, message = 1, traceback.format_exc()
            os.write(here, message.encode()[:60_000])
            os._exit(code)
        os.close(here)
        with os.fdopen(there, "rb") as stream:
            message = stream.read().decode()
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), message


def numbers(n_calls: int, n_cases: str) -> Iterator[int]:
    return itertools.count(1) if n_cases == "all" else iter(spread(n_calls, int(n_cases)))


def main(command: str, action: str, folder: Path, n_cases: str) -> None:
    trial = Trial(command, action, folder)
    counts = trial.count_calls()
    for operation in OPERATIONS:
        for n in numbers(counts.get(operation, 0), n_cases):
            if trial.break_off(operation, n) == 0:
                break


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), sys.argv[4])
