"""The embedded servers of a sample, in a thread of their own, on the loopback interface."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from types import TracebackType
from typing import Final, Self

from aiohttp import web

from yfcc.demo.manifest import MANIFEST_NAME, read_manifest
from yfcc.demo.photo_server import PhotoServer
from yfcc.demo.pictures import placeholder_png, placeholder_sha256
from yfcc.demo.s3_server import S3Server, S3Settings
from yfcc.demo.sample import BUCKETS, FLICKR, METADATA_BUCKET, METADATA_PREFIX, read_sample
from yfcc.errors import UsageError

_HOST: Final = "127.0.0.1"
#: Seconds that running answers get when the servers stop.
_SHUTDOWN_S: Final = 0.5


@dataclass(frozen=True)
class ServerSettings:
    """Ports and manners of both servers.

    Attributes
    ----------
    s3_port, flickr_port : int
        0 takes a free one.
    s3_latency_s : float
    s3_bytes_per_s : float or None
    access_denied_buckets : frozenset of str
        See `yfcc.demo.s3_server.S3Settings`.
    """

    s3_port: int = 0
    flickr_port: int = 0
    s3_latency_s: float = 0.0
    s3_bytes_per_s: float | None = None
    access_denied_buckets: frozenset[str] = field(default_factory=frozenset)


class EmbeddedServers:
    """Serves a sample while the body of the ``with`` runs.

    Parameters
    ----------
    directory : Path
        As `yfcc.demo.sample.write_sample` laid it out.
    settings : ServerSettings

    Attributes
    ----------
    s3_endpoint, flickr_endpoint : str
        URLs without a slash at the end, known once entered.
    placeholder_sha256 : str
        Digest of the picture that stands for what is gone.
    s3 : S3Server
    photos : PhotoServer

    Raises
    ------
    UsageError
        If the directory holds no finished sample, or, on entering, a port cannot be had.
    """

    def __init__(self, directory: Path, settings: ServerSettings | None = None) -> None:
        if read_sample(directory) is None:
            raise UsageError(f"no sample in {directory}: yfcc demo data --out {directory}")
        self._settings = settings or ServerSettings()
        self.placeholder_sha256 = placeholder_sha256()
        self.s3 = S3Server(
            S3Settings(
                directory / BUCKETS,
                self._settings.s3_latency_s,
                self._settings.s3_bytes_per_s,
                self._settings.access_denied_buckets,
            )
        )
        manifest = read_manifest(directory / FLICKR / MANIFEST_NAME)
        self.photos = PhotoServer(directory, manifest, placeholder_png())
        self.s3_endpoint = ""
        self.flickr_endpoint = ""
        self._thread = Thread(target=self._run, name="embedded-servers", daemon=True)
        self._started = Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._failure: OSError | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        self._started.wait()
        if self._failure is not None:
            self._thread.join()
            raise UsageError(f"cannot serve on {_HOST}: {self._failure}") from self._failure
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._loop is not None and self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        finally:
            self._started.set()

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        runners: list[web.AppRunner] = []
        try:
            try:
                self.s3_endpoint = await _start(
                    runners, self.s3.application, self._settings.s3_port
                )
                self.flickr_endpoint = await _start(
                    runners, self.photos.application, self._settings.flickr_port
                )
            except OSError as error:
                self._failure = error
                return
            self._started.set()
            await self._stop.wait()
        finally:
            for runner in runners:
                await runner.cleanup()


async def _start(runners: list[web.AppRunner], application: web.Application, port: int) -> str:
    """Serve an application; its runner is noted first, so that it is cleaned up in any case."""
    runner = web.AppRunner(
        application, access_log=None, handle_signals=False, shutdown_timeout=_SHUTDOWN_S
    )
    runners.append(runner)
    await runner.setup()
    await web.TCPSite(runner, _HOST, port).start()
    return f"http://{_HOST}:{runner.addresses[0][1]}"


def suggest_commands(servers: EmbeddedServers) -> list[str]:
    """Commands for a shell that use the servers: metadata, then download."""
    environment = f"AWS_ENDPOINT_URL_S3={servers.s3_endpoint}"
    return [
        (
            f"{environment} yfcc metadata --anonymous"
            f" --source s3://{METADATA_BUCKET}/{METADATA_PREFIX}"
        ),
        (
            f"{environment} yfcc download --from s3,flickr --flickr-rate 100/s"
            f" --flickr-endpoint {servers.flickr_endpoint}"
            f" --placeholder {servers.placeholder_sha256}"
        ),
    ]
