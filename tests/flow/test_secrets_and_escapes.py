"""Secrets get into nothing that is printed or kept; what strangers wrote commands no terminal."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.conftest import RunYfcc, SampleAt
from tests.fakes.fetching import acquire_from
from tests.fakes.mirror_checks import download
from tests.fakes.mirror_items import FakeAcquire, FakeAcquired, make_item
from tests.fakes.pictures import jpeg
from tests.fakes.scripted_server import ScriptedServer, reply
from yfcc.demo.serve import EmbeddedServers
from yfcc.errors import SourceError
from yfcc.media.sink import Sink
from yfcc.metadata.source.web import WebSource
from yfcc.mirror.report import read_report, render_report
from yfcc.model import Item, Outcome

CANARY = "cAnArY0f5ecrets"
SIGNED = f"X-Amz-Credential={CANARY}%2Fx&X-Amz-Signature={CANARY}&token={CANARY}"

#: ESC, OSC with BEL and with ST, C1's CSI and OSC, CR, backspace, DEL, bidi, lines, markup.
HOSTILE = (
    "\x1b[31mred \x1b]8;;http://x.example\x07link\x1b]8;;\x1b\\ \x9b2J \x9d0;t\x9c "
    "\r\b\x7f\u202e\u2066\u2028\u2029\x85[/nope][link=http://x.example]<script>alert(1)</script>"
)
OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def everything_below(folder: Path) -> str:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return "".join(f"{path}\n{path.read_bytes().decode('latin-1')}" for path in files)


def test_no_command_shows_or_keeps_a_secret(
    sample: SampleAt, run_yfcc: RunYfcc, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    (home / ".aws").mkdir(parents=True)
    (home / ".netrc").write_text(f"machine 127.0.0.1 login {CANARY} password {CANARY}\n")
    secrets = {
        "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
        "AWS_SECRET_ACCESS_KEY": CANARY,
        "AWS_SESSION_TOKEN": CANARY,
        "AWS_DEFAULT_REGION": "us-west-2",
        "HOME": str(home),
    }
    place = tmp_path / "place"
    place.mkdir()
    (place / "mirror").mkdir()
    (place / "mirror").chmod(0o777)
    catalog, mirror = str(place / "catalog.duckdb"), str(place / "mirror")
    with EmbeddedServers(sample.directory) as servers:
        at = ("--s3-endpoint", servers.s3_endpoint)
        flickr = f"{servers.flickr_endpoint}".replace("http://", f"http://{CANARY}:{CANARY}@")
        told = [
            run_yfcc(
                *("metadata", "--source", "s3://yfcc100m-metadata/v2", *at, "--signed"),
                *("--catalog", catalog, "--limit", "40"),
                **secrets,
            ),
            run_yfcc(
                *("download", "--catalog", catalog, "--mirror", mirror, *at, "--lines", "0-9"),
                *("--contact", f"https://me.example/?{SIGNED}"),
                **secrets,
            ),
            run_yfcc(
                *("download", "--catalog", catalog, "--mirror", mirror, *at, "--json"),
                *("--from", "s3,flickr", "--flickr-endpoint", flickr),
                **secrets,
            ),
            run_yfcc("report", "--mirror", mirror, "--out", str(place / "r.html"), **secrets),
            run_yfcc(
                *("metadata", "--source", f"ftp://{CANARY}:{CANARY}@h.example/?{SIGNED}"), **secrets
            ),
        ]
    assert [each.returncode for each in told[:2]] == [0, 0], told[0].stderr + told[1].stderr
    assert told[3].returncode == 0, told[3].stderr
    assert "can be written by everybody" in told[1].stderr
    said = "".join(each.stdout + each.stderr for each in told)
    assert "Traceback" not in said
    assert CANARY not in said
    kept = everything_below(place)
    assert "ledger/runs" in kept
    assert "--contact" in kept
    assert CANARY not in kept


def test_a_signed_address_in_a_redirect_is_kept_without_its_signature() -> None:
    def script(request):
        if "Signature" in request.target:
            return [reply(jpeg())]
        return [reply(b"", 302, [("Location", f"/elsewhere.jpg?{SIGNED}")])]

    fetched = acquire_from(script)
    assert any(CANARY in target for target in fetched.targets), "the server needs it"
    assert fetched.acquired.outcome is Outcome.STORED
    assert CANARY not in repr(fetched.acquired)
    assert fetched.acquired.url.endswith(
        "/elsewhere.jpg?X-Amz-Credential=…&X-Amz-Signature=…&token=…"
    )


@pytest.mark.parametrize(
    "location",
    [
        f"http://{CANARY}:{CANARY}@h.example/",
        f"gopher://h/?{SIGNED}",
        f"http://10.0.0.1/?{SIGNED}",
        f"http://other.example/?{SIGNED}",
    ],
)
def test_an_address_that_is_not_followed_is_told_without_secrets(location: str) -> None:
    fetched = acquire_from(lambda _: [reply(b"", 302, [("Location", location)])])
    assert fetched.acquired.outcome is not Outcome.STORED
    assert CANARY not in repr(fetched.acquired)


def test_a_user_name_in_the_address_of_a_source_is_sent_and_never_told() -> None:
    with ScriptedServer(lambda _: [reply(b"", 403)]) as server:
        address = server.url.replace("http://", f"http://ann:{CANARY}@")
        source = WebSource(f"{address}/x.bz2?{SIGNED}", ())
        with pytest.raises(SourceError) as found:
            source.list_objects()
        source.close()
    assert server.requests[0].headers["authorization"].startswith("Basic ")
    assert CANARY in server.targets[0]
    assert CANARY not in str(found.value) + source.url
    # Nobody listens there any more: what requests says of it has the whole address.
    source = WebSource(f"{address}/x.bz2?{SIGNED}", ())
    with pytest.raises(SourceError, match="no answer") as found:
        source.list_objects()
    assert CANARY not in str(found.value)


class HostileAcquire(FakeAcquire):
    def __call__(self, item: Item, sink: Sink) -> FakeAcquired:
        return FakeAcquired(
            Outcome.FAILED, url=None, first_error=HOSTILE, last_error=HOSTILE, x_robots_tag=HOSTILE
        )


def test_hostile_texts_are_harmless_wherever_they_are_shown(
    tmp_path: Path, run_yfcc: RunYfcc
) -> None:
    root = tmp_path / "mirror"
    download(root, [make_item(4207153986)], HostileAcquire())
    page = render_report(read_report(root))
    assert "<script>alert" not in page
    assert not OBEYED.search(page.replace("\n", ""))
    sql = f"SELECT '{HOSTILE}' AS \"{HOSTILE}\""
    told = [
        run_yfcc("status", "--mirror", str(root)),
        run_yfcc("report", "--mirror", str(root), "--run", HOSTILE),
        run_yfcc("query", "--catalog", f"no{HOSTILE}.duckdb", sql),
        run_yfcc("metadata", "--source", f"/no{HOSTILE}", "--json"),
    ]
    assert [each.returncode for each in told] == [0, 2, 4, 2]
    for each in told:
        # RichHandler or not: no character that a terminal obeys.
        assert not OBEYED.search(each.stdout + each.stderr), each.args
        assert "Traceback" not in each.stderr
    assert json.loads(told[3].stdout)["error"]["code"] == 2
