"""A process that checks shards for another: ``python -m yfcc.mirror.check_child ROOT OPTIONS``.

One line of JSON in for each shard, one line out with what was found: threads of one process would
wait for each other, as half of the work on a photo is not hashing. It ends when its input does.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import IO, Protocol

import orjson

from yfcc.errors import TargetError, YfccError
from yfcc.media.decode import Decoders
from yfcc.mirror.checking import ShardChecker
from yfcc.mirror.findings import Damage, ShardFindings
from yfcc.mirror.opening import open_any
from yfcc.mirror.record import Record
from yfcc.mirror.root import AnyMirror, Mirror
from yfcc.mirror.verdicts import ShardTask


@dataclass(frozen=True, slots=True)
class CheckOptions:
    """How shards are checked.

    Attributes
    ----------
    deep : bool
        Also walk every structure and decode every picture.
    with_manifest : bool
        Also list all files that are as recorded, with their digests.
    """

    deep: bool = False
    with_manifest: bool = False


class AnyChecker(Protocol):
    """Checks shards, here or elsewhere, one at a time."""

    def check(self, task: ShardTask) -> ShardFindings:
        """What is wrong in a shard."""

    def close(self) -> None:
        """Give back what it needs."""


class _Checker(Protocol):
    """How the shards of one kind of mirror are checked."""

    def check_shard(self, task: ShardTask) -> ShardFindings:
        """What is wrong in a shard."""

    def check_item(self, record: Record) -> Damage | None:
        """What is wrong with one stored item; None if nothing."""


class OwnChecker:
    """Checks shards in this process."""

    def __init__(self, mirror: AnyMirror, options: CheckOptions) -> None:
        self._decoders = Decoders(1) if options.deep else None
        self._checker = _make_checker(mirror, self._decoders, options)

    def check(self, task: ShardTask) -> ShardFindings:
        """What is wrong in a shard."""
        return self._checker.check_shard(task)

    def check_item(self, record: Record) -> Damage | None:
        """What is wrong with one stored item; None if nothing."""
        return self._checker.check_item(record)

    def close(self) -> None:
        """End the decoder, if there is one."""
        if self._decoders is not None:
            self._decoders.close()


def _make_checker(mirror: AnyMirror, decoders: Decoders | None, options: CheckOptions) -> _Checker:
    with_manifest = options.with_manifest
    if isinstance(mirror, Mirror):
        return ShardChecker(mirror, decoders, with_manifest=with_manifest)
    from yfcc.mirror.bucket.checking import BucketShardChecker  # noqa: PLC0415

    return BucketShardChecker(mirror, decoders, with_manifest=with_manifest)


class ChildChecker:
    """Checks shards in a process of its own; used by one thread at a time.

    Parameters
    ----------
    mirror : Mirror or BucketMirror
        Opened again there.
    options : CheckOptions
    """

    def __init__(self, mirror: AnyMirror, options: CheckOptions) -> None:
        root = mirror.root.absolute() if isinstance(mirror, Mirror) else mirror.root
        said = orjson.dumps(asdict(options)).decode()
        self._process = subprocess.Popen(  # noqa: S603 - our own module  # nosec B603
            [sys.executable, "-P", "-m", "yfcc.mirror.check_child", str(root), said],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def check(self, task: ShardTask) -> ShardFindings:
        """What is wrong in a shard.

        Raises
        ------
        TargetError
            The mirror cannot be read.
        YfccError
            The process ended.
        """
        answers = _pipe(self._process.stdout)
        try:
            requests = _pipe(self._process.stdin)
            requests.write(orjson.dumps(asdict(task), option=orjson.OPT_APPEND_NEWLINE))
            requests.flush()
            line = answers.readline()
        except BrokenPipeError:
            line = b""
        if not line.endswith(b"\n"):
            status = self._process.wait()
            raise YfccError(
                f"the process that checked shard {task.shard} ended with {status}: run the same "
                "command again, it goes on from there"
            )
        found = orjson.loads(line)
        if "error" in found:
            raise TargetError(found["error"])
        return ShardFindings.from_json(found)

    def close(self) -> None:
        """End the process at once: it writes nothing."""
        self._process.kill()
        self._process.communicate()


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise YfccError("a process was started without its pipes")
    return stream


def main() -> None:
    """Answer requests until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what Ctrl-C means
    options = CheckOptions(**orjson.loads(sys.argv[2]))
    with ExitStack() as cleanup:
        mirror = open_any(sys.argv[1])
        cleanup.callback(mirror.close)
        checker = OwnChecker(mirror, options)
        cleanup.callback(checker.close)
        for line in sys.stdin.buffer:
            try:
                found = checker.check(ShardTask(**orjson.loads(line))).to_json()
            except TargetError as error:
                found = {"error": str(error)}
            sys.stdout.buffer.write(orjson.dumps(found, option=orjson.OPT_APPEND_NEWLINE))
            sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
