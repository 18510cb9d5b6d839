"""A real S3 server for tests: Ceph's radosgw over one monitor and one OSD in memory.

Nothing outlives the ``with``: three processes, all their files in one temporary directory, all
their ports on loopback. No root and no disk is needed, only the programs.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.request
import uuid
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

PACKAGES = "radosgw ceph-mon ceph-osd"
HOW_TO_INSTALL = f"apt-get install --no-install-recommends {PACKAGES}"
#: Set by `make test-s3`: there the contracts are checked against this server, and missing
#: programs are a failure instead of a skip.
IS_REQUIRED = os.environ.get("YFCC_TEST_S3") == "radosgw"
_PROGRAMS = (
    "ceph-mon",
    "ceph-osd",
    "radosgw",
    "ceph",
    "ceph-authtool",
    "monmaptool",
    "radosgw-admin",
)
#: From nothing to the first answer takes 1 s.
_START_S = 60
_STOP_S = 5

# One copy of everything, and few placement groups: a cluster for one test run. A monitor alone
# need not wait for others to agree: with Ceph's intervals the dozen pools take 10 s, with these 1.
# Signed tickets between the daemons stay on: radosgw-admin of Ceph 16 wants them.
_CONFIGURATION = """\
[global]
fsid = {fsid}
mon host = v2:127.0.0.1:{mon_port}/0
public addr = 127.0.0.1
cluster addr = 127.0.0.1
keyring = {root}/keyring
run dir = {root}
log file = {root}/$name.log
admin socket =
pid file =
mon data = {root}/mon
mon cluster log file = {root}/cluster.log
mon allow pool size one = true
mon allow pool delete = true
mon data avail crit = 1
mon data avail warn = 1
paxos propose interval = 0.02
paxos min wait = 0.01
mon max pg per osd = 1000
osd data = {root}/osd
osd objectstore = memstore
memstore device bytes = 1073741824
osd crush chooseleaf type = 0
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
osd class update on start = false
rgw rados pool autoscale bias = 1
rgw rados pool pg num min = 1
rgw override bucket index max shards = 1
rgw enable usage log = false
rgw enable gc threads = false
rgw enable lc threads = false
rgw enable quota threads = false
rgw run sync thread = false
rgw dynamic resharding = false
rgw frontends = beast endpoint=127.0.0.1:{rgw_port}
rgw thread pool size = 32
"""
_CAPABILITIES = {
    "mon.": ("mon", "allow *"),
    "client.admin": ("mon", "allow *", "osd", "allow *", "mgr", "allow *"),
    "osd.0": ("mon", "allow profile osd", "osd", "allow *"),
}


@dataclass(frozen=True)
class User:
    """Keys of a user of the server."""

    access_key: str
    secret_key: str


class RadosgwError(Exception):
    """The server did not start."""


def missing_programs() -> list[str]:
    """Programs that are not installed."""
    return [name for name in _PROGRAMS if shutil.which(name) is None]


class Radosgw:
    """Runs the server while the body of the ``with`` runs.

    Attributes
    ----------
    port : int
        On 127.0.0.1, known once entered.
    owner, stranger : User
        Two users; what one makes, the other may not read.
    """

    def __init__(self) -> None:
        self.port = 0
        self.owner = _made_up_user()
        self.stranger = _made_up_user()
        self._processes: list[subprocess.Popen[bytes]] = []
        self._root = Path()
        self._deadline = 0.0

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pids(self) -> list[int]:
        """Of the running daemons."""
        return [process.pid for process in self._processes]

    def __enter__(self) -> Self:
        if missing := missing_programs():
            raise RadosgwError(f"{', '.join(missing)}: not installed. {HOW_TO_INSTALL}")
        self._deadline = time.monotonic() + _START_S
        self._root = Path(tempfile.mkdtemp(prefix="yfcc-radosgw-"))
        try:
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    def _start(self) -> None:
        mon_port, self.port = _free_ports(2)
        fsid, osd = uuid.uuid4(), uuid.uuid4()
        (self._root / "ceph.conf").write_text(
            _CONFIGURATION.format(fsid=fsid, mon_port=mon_port, rgw_port=self.port, root=self._root)
        )
        self._write_keyring()
        (self._root / "mon").mkdir()
        (self._root / "osd").mkdir()
        monmap = str(self._root / "monmap")
        address = f"[v2:127.0.0.1:{mon_port}/0]"
        self._run("monmaptool", "--create", "--fsid", str(fsid), "--addv", "a", address, monmap)
        self._run("ceph-mon", "--mkfs", "-i", "a", "--monmap", monmap)
        self._launch("ceph-mon", "-i", "a", "-f")
        self._run("ceph", "osd", "new", str(osd), "0")
        self._run("ceph-osd", "--mkfs", "-i", "0", "--osd-uuid", str(osd))
        self._launch("ceph-osd", "-i", "0", "-f")
        self._launch("radosgw", "-n", "client.admin", "-f")
        for name, user in (("owner", self.owner), ("stranger", self.stranger)):
            self._run(
                *("radosgw-admin", "user", "create", f"--uid={name}", f"--display-name={name}"),
                *(f"--access-key={user.access_key}", f"--secret-key={user.secret_key}"),
            )
        self._await_answer()

    def _write_keyring(self) -> None:
        keyring = str(self._root / "keyring")
        self._run("ceph-authtool", "--create-keyring", keyring)
        for name, capabilities in _CAPABILITIES.items():
            pairs = zip(capabilities[::2], capabilities[1::2], strict=True)
            caps = [word for pair in pairs for word in ("--cap", *pair)]
            self._run("ceph-authtool", keyring, "--gen-key", "-n", name, *caps)

    def _environment(self) -> dict[str, str]:
        clean = {name: value for name, value in os.environ.items() if "CEPH" not in name}
        return clean | {"CEPH_CONF": str(self._root / "ceph.conf")}

    def _run(self, *command: str) -> None:
        """One command to its end."""
        try:
            done = subprocess.run(
                command,
                env=self._environment(),
                cwd=self._root,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=max(1.0, self._deadline - time.monotonic()),
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise RadosgwError(f"{' '.join(command)}: no end in time.{self._logs()}") from error
        if done.returncode != 0:
            raise RadosgwError(
                f"{' '.join(command)}: exit {done.returncode}: {done.stderr}{self._logs()}"
            )

    def _launch(self, *command: str) -> None:
        """A daemon that dies with this process, even if that is killed."""
        guard = ("setpriv", "--pdeathsig", "KILL") if shutil.which("setpriv") else ()
        with (self._root / f"{command[0]}.out").open("wb") as output:
            self._processes.append(
                subprocess.Popen(
                    [*guard, *command],
                    env=self._environment(),
                    cwd=self._root,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    process_group=0,  # Ctrl-C is for the tests; they stop the daemons
                )
            )

    def _await_answer(self) -> None:
        while True:
            for process in self._processes:
                if process.poll() is not None:
                    raise RadosgwError(f"{process.args!r} ended.{self._logs()}")
            with (
                contextlib.suppress(OSError),
                urllib.request.urlopen(self.endpoint, timeout=5),
            ):
                return
            if time.monotonic() > self._deadline:
                raise RadosgwError(f"no answer at {self.endpoint}.{self._logs()}")
            time.sleep(0.1)

    def _logs(self) -> str:
        """The ends of what the daemons said."""
        texts = []
        for path in sorted(self._root.glob("*.out")) + sorted(self._root.glob("*.log")):
            lines = path.read_text(errors="replace").splitlines()[-15:]
            texts += [f"\n--- {path.name}", *lines]
        return "\n".join(texts)

    def _stop(self) -> None:
        # Nothing of it is kept, so nothing has to end in order.
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.wait(_STOP_S)
        self._processes.clear()
        shutil.rmtree(self._root, ignore_errors=True)


def _made_up_user() -> User:
    return User(secrets.token_hex(10).upper(), secrets.token_hex(20))


def _free_ports(n: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        listeners = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(n)]
        return [listener.getsockname()[1] for listener in listeners]
