"""The n-th call to the system fails, or the process is killed in it: for whole processes.

``failing_calls.c`` is compiled and loaded into a Python of its own, where it meets every write,
sync, rename and so on below a folder, from whatever library and thread: DuckDB's too. Needs a C
compiler; tests that use it are skipped where there is none.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

KINDS: Final = ("write", "fsync", "rename", "mkdir", "unlink", "truncate", "create")
#: In place of an error's number.
KILL: Final = -1

_SOURCE: Final = Path(__file__).with_suffix(".c")
_REPOSITORY: Final = Path(__file__).parents[2]


@dataclass(frozen=True)
class Fault:
    """What goes wrong.

    Attributes
    ----------
    kind : str
        Of the calls.
    n : int
        Which of them, from 1; 0 for none.
    action : int
        An error's number, or KILL.
    is_lasting : bool
        All later calls of the kind fail as well, as on a disk that stays full.
    """

    kind: str = KINDS[0]
    n: int = 0
    action: int = KILL
    is_lasting: bool = False


@dataclass(frozen=True)
class Told:
    """How a process ended: its code (-9 if it was killed), the error's class and text, and what
    calls it made by kind, if it came to its end.
    """

    code: int
    error: str = ""
    message: str = ""
    calls: dict[str, int] | None = None


def find_compiler() -> str | None:
    """The C compiler; None where faults cannot be made this way."""
    return shutil.which("cc") if sys.platform == "linux" else None


def run_driver(module: str, *arguments: object, folder: Path) -> list[dict[str, Any]]:
    """Run a module whose calls may be made to fail; the JSON lines it printed."""
    library = folder / "failing_calls.so"
    compiler = find_compiler()
    assert compiler
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-O1", "-o", library, _SOURCE, "-ldl"], check=True
    )
    done = subprocess.run(
        [sys.executable, "-m", module, *map(str, arguments)],
        cwd=_REPOSITORY,
        env=os.environ | {"LD_PRELOAD": str(library)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def in_fork(act: Callable[[], object], below: Path, fault: Fault) -> Told:
    """Do something in a fork of this process, which has no threads yet.

    Parameters
    ----------
    act : callable
    below : Path
        Calls that change something elsewhere don't count.
    fault : Fault
    """
    there, here = os.pipe()
    child = os.fork()
    if not child:
        try:
            told = _carry_out(act, below.resolve(), fault)
            os.write(here, json.dumps(asdict(told)).encode())
        finally:
            os._exit(0)
    os.close(here)
    with os.fdopen(there, "rb") as stream:
        said = stream.read()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code == 0 and said:
        return Told(**json.loads(said))
    assert code == -signal.SIGKILL, code
    return Told(code)


def _carry_out(act: Callable[[], object], below: Path, fault: Fault) -> Told:
    library = ctypes.CDLL(None)
    library.arm(
        os.fsencode(below),
        KINDS.index(fault.kind),
        ctypes.c_long(fault.n),
        fault.action,
        int(fault.is_lasting),
    )
    code, name, message = 0, "", ""
    try:
        act()
    except BaseException as error:  # noqa: BLE001 - told to whoever judges it
        code, name, message = getattr(error, "exit_code", 1), type(error).__name__, str(error)
        if code == 1:
            message += "\n" + traceback.format_exc()
    calls = {kind: library.count(number) for number, kind in enumerate(KINDS)}
    return Told(code, name, message, calls)


def spread(n_calls: int, n_cases: int | None) -> list[int]:
    """Numbers of calls, evenly spread; all of them for None."""
    if n_cases is None or n_cases >= n_calls:
        return list(range(1, n_calls + 1))
    return [1 + case * (n_calls - 1) // max(1, n_cases - 1) for case in range(n_cases)]
