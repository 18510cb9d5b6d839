"""The embedded photo server behaves as Flickr's hosts do."""

from __future__ import annotations

import hashlib
from io import BytesIO
from urllib.parse import urljoin

import pytest
import requests
from PIL import Image

from yfcc.demo.fates import Behaviour
from yfcc.demo.manifest import read_manifest
from yfcc.demo.sample import read_sample, write_sample
from yfcc.demo.serve import EmbeddedServers


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    path = tmp_path_factory.mktemp("flickr")
    write_sample(path, 320, 5, n_workers=1)
    return path


@pytest.fixture
def servers(directory):
    with EmbeddedServers(directory) as servers:
        yield servers


@pytest.fixture
def get(servers):
    with requests.Session() as session:
        session.trust_env = False
        yield lambda path: session.get(
            servers.flickr_endpoint + path, timeout=5, allow_redirects=False
        )


@pytest.fixture
def path_of(directory):
    manifest = read_manifest(directory / "flickr" / "manifest.json")

    def find(behaviour, *, is_video=False):
        return next(
            path
            for path, answer in manifest.answers.items()
            if answer.behaviour is behaviour and path.startswith("/videos/") == is_video
        )

    return find


def test_a_photo_comes_with_its_type_and_length(get, path_of, servers):
    path = path_of(Behaviour.PHOTO)
    answer = get(path)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "image/jpeg"
    assert int(answer.headers["Content-Length"]) == len(answer.content)
    with Image.open(BytesIO(answer.content)) as image:
        image.load()
    assert servers.photos.requests[path] == 1


def test_a_video_comes_from_its_download_url(get, path_of):
    answer = get(path_of(Behaviour.PHOTO, is_video=True))
    assert answer.headers["Content-Type"] == "video/mp4"
    assert answer.content[4:8] == b"ftyp"


def test_what_is_gone_is_404_or_410(get, path_of):
    assert get(path_of(Behaviour.NOT_FOUND)).status_code == 404
    assert get(path_of(Behaviour.REMOVED)).status_code == 410
    assert get("/1/2_3.jpg").status_code == 404


def test_a_dead_photo_redirects_to_a_placeholder_that_ends_in_200(get, path_of, directory):
    answer = get(path_of(Behaviour.PLACEHOLDER))
    assert answer.status_code == 302
    assert urljoin("http://host/5/1_a.jpg", answer.headers["Location"]).endswith(
        "/photo_unavailable.png"
    )
    picture = get(answer.headers["Location"])
    assert picture.status_code == 200
    assert picture.headers["Content-Type"] == "image/png"
    digest = hashlib.sha256(picture.content).hexdigest()
    assert digest == read_sample(directory).placeholder_sha256


def test_a_limited_path_asks_for_patience_once(get, path_of, servers):
    path = path_of(Behaviour.RATE_LIMITED)
    first, second = get(path), get(path)
    assert (first.status_code, first.headers["Retry-After"]) == (429, "1")
    assert second.status_code == 200
    assert servers.photos.requests[path] == 2


def test_a_login_page_comes_as_html_with_200(get, path_of):
    answer = get(path_of(Behaviour.LOGIN_PAGE))
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/html")


def test_opt_outs_come_as_headers_of_a_good_photo(get, path_of):
    answer = get(path_of(Behaviour.OPTED_OUT))
    assert answer.status_code == 200
    assert answer.headers["X-Robots-Tag"] == "noai, noimageai"
    reserved = get(path_of(Behaviour.TDM_RESERVED))
    assert reserved.headers["tdm-reservation"] == "1"
    assert reserved.content.startswith(b"\xff\xd8")


def test_robots_and_pages_answer(get, directory):
    assert "User-agent" in get("/robots.txt").text
    pages = read_manifest(directory / "flickr" / "manifest.json").pages
    for status in (200, 404, 410):
        path = next(path for path, found in pages.items() if found == status)
        answer = get(path)
        assert answer.status_code == status
        assert answer.text.startswith("<!doctype html>")
