"""A catalog is the same wherever its files come from, and a refusal has its exit code."""

from __future__ import annotations

from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.conftest import RunYfcc, SampleAt
from tests.fakes.meddling_proxy import Meddling
from tests.fakes.object_stores import WRITABLE
from tests.fakes.places import (
    Place,
    StoredPlace,
    credentials,
    embedded_place,
    stored_place,
    web_place,
)
from tests.fakes.radosgw import User
from yfcc.catalog.build import BuildSettings, build_catalog
from yfcc.errors import SourceMissing
from yfcc.metadata.source import Source, open_source
from yfcc.progress import SilentProgress

pytestmark = pytest.mark.usefixtures("no_aws_settings")

#: Tables in an order of their own; when and from where a file was read differs, of course.
TABLES = (
    "FROM items ORDER BY line_number",
    "FROM rejected_lines ORDER BY file, line_number",
    "FROM orphans ORDER BY ALL",
    "SELECT file, n_lines, n_joined, n_orphans, n_rejected FROM ingests ORDER BY file",
)


def build(source: Source, catalog: Path) -> list[list[Any]]:
    """Everything that the catalog of a source holds."""
    with closing(source):
        build_catalog(source, BuildSettings(catalog), SilentProgress())
    with duckdb.connect(str(catalog), read_only=True) as connection:
        return [connection.execute(query).fetchall() for query in TABLES]


@pytest.fixture(scope="module")
def files(sample: SampleAt) -> Path:
    return sample.directory / "buckets" / "yfcc100m-metadata" / "v2"


@pytest.fixture(scope="module")
def expected(files: Path, tmp_path_factory: pytest.TempPathFactory) -> list[list[Any]]:
    """The catalog of the directory."""
    tables = build(open_source(str(files)), tmp_path_factory.mktemp("expected") / "c.duckdb")
    assert len(tables[0]) > 200
    return tables


BUCKETS = [f"{store} {access}" for store in WRITABLE for access in ("anonymous", "signed")]


@pytest.fixture(params=[*BUCKETS, "embedded", "web"])
def served(request, monkeypatch):
    """Every kind of place with a network before it."""
    with ExitStack() as stack:
        if request.param == "embedded":
            found = embedded_place(*request.getfixturevalue("embedded"))
        elif request.param == "web":
            found = web_place()
        else:
            name, access = request.param.split()
            store = request.getfixturevalue("find_store")(name)
            if access == "signed":
                sign(monkeypatch, store.owner)
            found = stored_place(store, is_signed=access == "signed")
        yield stack.enter_context(found)


@pytest.fixture(params=WRITABLE)
def private(request, find_store):
    """A bucket for its owner alone."""
    with stored_place(find_store(request.param), is_signed=True) as place:
        yield place


@pytest.fixture
def guarded(private):
    """The same, where it means something."""
    if not private.store.checks_access:
        name = private.store.name
        pytest.skip(f"{name} checks neither signatures nor policies; `make test-s3` does")
    return private


def sign(monkeypatch: pytest.MonkeyPatch, user: User) -> None:
    for variable, value in credentials(user).items():
        monkeypatch.setenv(variable, value)


def fill(place: Place, files: Path) -> None:
    for path in files.iterdir():
        place.put(path.name, path.read_bytes())


def test_a_catalog_of_a_served_place_is_that_of_the_directory(served, files, expected, tmp_path):
    fill(served, files)
    assert build(served.open(), tmp_path / "c.duckdb") == expected


def test_cut_connections_change_nothing_in_a_catalog(served, files, expected, tmp_path):
    fill(served, files)
    served.proxy.meddling = Meddling(cut_after=5_000, n_cuts=4)
    assert build(served.open(), tmp_path / "c.duckdb") == expected
    assert served.proxy.meddling.n_cuts == 0


def test_a_place_without_the_files_publishes_nothing(served, tmp_path):
    served.put("readme.txt", b"no dataset here")
    with pytest.raises(SourceMissing) as caught:
        build(served.open(), tmp_path / "c.duckdb")
    assert caught.value.exit_code == 4
    assert not (tmp_path / "c.duckdb").exists()


def run_metadata(run_yfcc: RunYfcc, place: StoredPlace, *flags: str, **environment: str) -> Any:
    return run_yfcc(
        *("metadata", "--source", place.url, "--catalog", "c.duckdb", "--quiet", *flags),
        AWS_ENDPOINT_URL_S3=place.store.endpoint,
        **environment,
    )


def test_the_command_signs_with_the_credentials_it_finds(private, files, run_yfcc, tmp_path):
    fill(private, files)
    done = run_metadata(run_yfcc, private, **credentials(private.store.owner))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "c.duckdb").is_file()


@pytest.mark.parametrize("who", ["nobody", "anonymous", "stranger", "wrong secret"])
def test_the_command_ends_with_4_where_it_may_not_read(guarded, files, run_yfcc, tmp_path, who):
    fill(guarded, files)
    owner, stranger = guarded.store.owner, guarded.store.stranger
    flags = ["--anonymous"] if who == "anonymous" else []
    variables = {
        "nobody": {},
        "anonymous": credentials(owner),
        "stranger": credentials(stranger),
        "wrong secret": credentials(User(owner.access_key, "wrong")),
    }[who]
    done = run_metadata(run_yfcc, guarded, *flags, **variables)
    assert done.returncode == 4, done.stderr
    assert guarded.url in done.stderr
    assert "Traceback" not in done.stderr
    assert ("SignatureDoesNotMatch" in done.stderr) == (who == "wrong secret")
    assert not (tmp_path / "c.duckdb").exists()
