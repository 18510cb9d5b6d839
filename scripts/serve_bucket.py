"""Serve the files of a directory as the bucket ``bench``, with latency and a cap on the rate.

Arguments: directory of the buckets, seconds of latency, bytes a second (0: no cap). The first line
of the output is the port.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from aiohttp import web

from yfcc.demo.s3_server import S3Server, S3Settings


async def _serve(root: Path, latency_s: float, bytes_per_s: float | None) -> None:
    server = S3Server(S3Settings(root, latency_s, bytes_per_s))
    runner = web.AppRunner(server.application, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    # Who started it closes its standard input, or dies.
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]) or None))
