"""A server that answers as Flickr's photo hosts do, from the manifest of a sample."""

from __future__ import annotations

from collections import Counter
from http import HTTPStatus
from pathlib import Path
from typing import Final

from aiohttp import web

from yfcc.demo.fates import Behaviour
from yfcc.demo.manifest import Answer, Manifest

PLACEHOLDER_PATH: Final = "/photo_unavailable.png"
RETRY_AFTER_S: Final = 1

_ROBOTS: Final = "User-agent: *\nDisallow: /search/\n"
_LOGIN_PAGE: Final = "<!doctype html><title>Sign in</title><h1>Sign in to go on</h1>"
_OPT_OUT_HEADERS: Final = {
    Behaviour.OPTED_OUT: {"X-Robots-Tag": "noai, noimageai"},
    Behaviour.TDM_RESERVED: {
        "tdm-reservation": "1",
        "tdm-policy": "https://www.example.org/tdm-policy.json",
    },
}


class PhotoServer:
    """The handlers of one server; the host of a request is ignored.

    Attributes
    ----------
    application : web.Application
    requests : Counter
        Requests so far by path.
    """

    def __init__(self, directory: Path, manifest: Manifest, placeholder: bytes) -> None:
        self.requests: Counter[str] = Counter()
        self.application = web.Application()
        self.application.router.add_get("/{path:.*}", self._answer)
        self._directory = directory
        self._manifest = manifest
        self._placeholder = placeholder

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        path = request.path
        self.requests[path] += 1
        if path == "/robots.txt":
            return web.Response(text=_ROBOTS)
        if path == PLACEHOLDER_PATH:
            return web.Response(body=self._placeholder, content_type="image/png")
        if path in self._manifest.pages:
            return _respond_page(path, self._manifest.pages[path])
        answer = self._manifest.answers.get(path)
        if answer is None:
            return _respond_status(404)
        return self._respond(answer, path)

    def _respond(self, answer: Answer, path: str) -> web.StreamResponse:
        match answer.behaviour:
            case Behaviour.NOT_FOUND:
                return _respond_status(404)
            case Behaviour.REMOVED:
                return _respond_status(410)
            case Behaviour.PLACEHOLDER:
                return web.Response(status=302, headers={"Location": PLACEHOLDER_PATH})
            case Behaviour.LOGIN_PAGE:
                return web.Response(text=_LOGIN_PAGE, content_type="text/html")
            case Behaviour.RATE_LIMITED if self.requests[path] == 1:
                return _respond_status(429, {"Retry-After": str(RETRY_AFTER_S)})
            case _:
                return self._send_file(answer)

    def _send_file(self, answer: Answer) -> web.StreamResponse:
        if answer.file is None or not (self._directory / answer.file).is_file():
            return _respond_status(404)
        headers = {
            "Cache-Control": "max-age=315360000,public",
            "Content-Type": _content_type(answer.file),
            **_OPT_OUT_HEADERS.get(answer.behaviour, {}),
        }
        return web.FileResponse(self._directory / answer.file, headers=headers)


def _content_type(file: str) -> str:
    """Of a photo or video of the sample."""
    # The persistent copy calls every photo .jpg; Flickr names the type it sends.
    return {".mp4": "video/mp4", ".png": "image/png", ".gif": "image/gif"}.get(
        Path(file).suffix, "image/jpeg"
    )


def _respond_page(path: str, status: int) -> web.Response:
    """The page of an item, or that there is none."""
    title = f"Item {path.rstrip('/').rpartition('/')[2]}" if status == 200 else "Not here"
    text = f"<!doctype html><title>{title}</title><h1>{title}</h1><p>A page of the demo.</p>"
    return web.Response(status=status, text=text, content_type="text/html")


def _respond_status(status: int, headers: dict[str, str] | None = None) -> web.Response:
    text = f"{HTTPStatus(status).phrase}\n"
    return web.Response(status=status, text=text, headers=headers)
