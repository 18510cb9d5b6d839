"""Commands of ``yfcc`` as processes of their own that need not load its libraries again.

A process without threads loads them once (``python -m tests.fakes.prepared_yfcc``), and forks for
each command; what the command does from there on is what it does when a user starts it. Where that
differs, as for how soon it answers, tests start it themselves.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, NoReturn

REPOSITORY = Path(__file__).parents[2]


class PreparedYfcc:
    """Starts commands; safe for use by many threads."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.fakes.prepared_yfcc"],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._lock = threading.Condition()
        self._n_asked = 0
        self._told: dict[int, dict[str, Any]] = {}
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def close(self) -> None:
        """End the process; commands that are at work go on."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait(30)
        self._reader.join(30)
        self._process.stdout.close()

    def run(
        self, arguments: Sequence[str], cwd: Path, environment: Mapping[str, str], timeout_s: float
    ) -> subprocess.CompletedProcess[str]:
        """As :func:`subprocess.run` with captured output."""
        with TemporaryFile() as out, TemporaryFile() as errors:
            files = [f"/proc/{os.getpid()}/fd/{each.fileno()}" for each in (out, errors)]
            request = {"argv": list(arguments), "cwd": str(cwd), "env": dict(environment)}
            number = self._send(request | {"files": files})
            code = self._wait(number, timeout_s)
            said = []
            for each in (out, errors):
                each.seek(0)
                said.append(each.read().decode())
        return subprocess.CompletedProcess(["yfcc", *arguments], code, *said)

    def _send(self, request: dict[str, Any]) -> int:
        assert self._process.stdin
        with self._lock:
            self._n_asked += 1
            self._process.stdin.write(json.dumps(request | {"number": self._n_asked}) + "\n")
            self._process.stdin.flush()
            return self._n_asked

    def _wait(self, number: int, timeout_s: float) -> int:
        def is_over() -> bool:
            return "code" in self._told.get(number, {}) or self._process.poll() is not None

        with self._lock:
            if not self._lock.wait_for(is_over, timeout_s):
                os.kill(self._told[number]["pid"], signal.SIGKILL)
                raise subprocess.TimeoutExpired("yfcc", timeout_s)
            return int(self._told.pop(number)["code"])

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            told = json.loads(line)
            with self._lock:
                self._told.setdefault(told.pop("number"), {}).update(told)
                self._lock.notify_all()


def serve() -> None:
    """Fork for every line of the standard input, and tell how each child ended."""
    # Its arrival wakes `select`.
    woken, wakes = os.pipe()
    os.set_blocking(wakes, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wakes)
    children: dict[int, int] = {}
    waiting = b""
    while True:
        readable, _, _ = select.select([0, woken], [], [])
        if woken in readable:
            os.read(woken, 4096)
            _reap(children)
        if 0 not in readable:
            continue
        piece = os.read(0, 1 << 16)
        if not piece:
            return
        *lines, waiting = (waiting + piece).split(b"\n")
        for line in lines:
            request = json.loads(line)
            pid = os.fork()
            if not pid:
                _become(request, (woken, wakes))
            children[pid] = request["number"]
            _tell(number=request["number"], pid=pid)


def _reap(children: dict[int, int]) -> None:
    for pid in list(children):
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            _tell(number=children.pop(pid), code=os.waitstatus_to_exitcode(status))


def _tell(**told: int) -> None:
    os.write(1, json.dumps(told).encode() + b"\n")


def _become(request: dict[str, Any], open_files: Sequence[int]) -> NoReturn:
    """Be the command, in the child."""
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for number in open_files:
            os.close(number)
        for number, name in zip((0, 1, 2), (os.devnull, *request["files"]), strict=True):
            opened = os.open(name, os.O_RDWR | os.O_APPEND if number else os.O_RDONLY)
            os.dup2(opened, number)
            os.close(opened)
        os.environ.clear()
        os.environ.update(request["env"])
        os.chdir(request["cwd"])
        sys.argv = ["yfcc", *request["argv"]]
        from yfcc.cli.main import main

        main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:  # noqa: BLE001 - whatever it is, the child must not go on as its parent
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _load() -> None:
    """What commands load, one or the other."""
    import boto3  # noqa: F401
    import polars  # noqa: F401
    import pyarrow.csv
    import pyarrow.parquet  # noqa: F401

    from yfcc.cli import main  # noqa: F401
    from yfcc.metadata.warm import compile_loops

    compile_loops()
    # The children are not to copy its pages.
    gc.collect()
    gc.freeze()


if __name__ == "__main__":
    _load()
    serve()
