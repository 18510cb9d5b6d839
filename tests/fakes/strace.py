"""What a process asks of the system, seen and disturbed from outside: by strace."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final

_STARTED: Final = re.compile(r"(\d+) +(\w+)\((.*?)( <unfinished \.\.\.>|\) += .*)")
_RESUMED: Final = re.compile(r"(\d+) +<\.\.\. (\w+) resumed>(.*)\) += .*")
_FD: Final = re.compile(r"(?:\d+|AT_FDCWD)<(.*?)>")
_TEXT: Final = re.compile(r'"((?:[^"\\]|\\.)*)"')


@cache
def why_not() -> str:
    """Why nothing can be traced here; empty if it can."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    tried = subprocess.run(
        ["strace", "-f", "-qq", "-e", "trace=fsync", "-e", "inject=fsync:error=EIO", "true"],
        capture_output=True,
        text=True,
        check=False,
    )
    return f"strace may not trace here: {tried.stderr.strip()}" if tried.returncode else ""


@dataclass
class Call:
    """A call to the system.

    Attributes
    ----------
    name : str
    began, ended : int
        Lines of the trace; calls of several threads overlap.
    paths : list of str
        Of its descriptors and names, the last of them what it makes or changes.
    text : str
        Its arguments.
    """

    name: str
    began: int
    ended: int
    text: str
    paths: list[str] = field(default_factory=list)


def parse_trace(trace: str) -> list[Call]:
    """The calls of a trace made with ``-f -y``, in the order in which they began."""
    calls: list[Call] = []
    under_way: dict[str, Call] = {}
    for number, line in enumerate(trace.splitlines()):
        if match := _RESUMED.fullmatch(line):
            call = under_way.pop(match[1] + match[2])
            call.ended = number
            call.text += match[3]
        elif match := _STARTED.fullmatch(line):
            call = Call(match[2], number, number, match[3])
            calls.append(call)
            if "unfinished" in match[4]:
                call.ended = 1 << 60
                under_way[match[1] + match[2]] = call
    for call in calls:
        call.paths = _paths(call)
    return calls


def _paths(call: Call) -> list[str]:
    if not call.name.startswith(("rename", "link", "unlink", "mkdir")):
        first = _FD.match(call.text)  # what is written may look like one as well
        return [first[1]] if first else []
    folders = _FD.findall(call.text)
    names = _TEXT.findall(call.text)
    if call.name in ("rename", "unlink", "mkdir"):
        return names
    return [str(Path(folder) / name) for folder, name in zip(folders, names, strict=False)]


def traced(command: Sequence[object], log: Path, *options: str) -> list[str]:
    """A command as strace runs it, all its threads and children with it.

    With ``--seccomp-bpf`` it is quicker, and strace 6.1 sends no signals.
    """
    return ["strace", "-f", "-qq", "-o", str(log), *options, "--", *map(str, command)]
