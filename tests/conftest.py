"""A sample and its servers, made once for all tests that look at the whole."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.fakes import doctest_places
from tests.fakes.prepared_yfcc import PreparedYfcc
from yfcc.catalog.build import BuildSettings, build_catalog
from yfcc.demo.sample import Sample, write_sample
from yfcc.demo.serve import EmbeddedServers
from yfcc.metadata.source import open_source
from yfcc.progress import SilentProgress


def pytest_configure(config: pytest.Config) -> None:
    """Give the examples in docstrings of ``yfcc`` what they look at."""
    config.pluginmanager.register(doctest_places)


N_ITEMS = 300


@dataclass(frozen=True)
class SampleAt:
    """A sample and where it lies."""

    directory: Path
    sample: Sample


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> SampleAt:
    directory = tmp_path_factory.mktemp("sample") / "sample"
    return SampleAt(directory, write_sample(directory, N_ITEMS, seed=7))


@pytest.fixture(scope="session")
def sample_catalog(tmp_path_factory: pytest.TempPathFactory, sample: SampleAt) -> Path:
    """The sample's catalog, to be copied by who writes to it or beside it."""
    path = tmp_path_factory.mktemp("catalog") / "catalog.duckdb"
    source = open_source(str(sample.directory / "buckets" / "yfcc100m-metadata" / "v2"))
    build_catalog(source, BuildSettings(path), SilentProgress())
    return path


@pytest.fixture
def servers(sample: SampleAt) -> Iterator[EmbeddedServers]:
    with EmbeddedServers(sample.directory) as running:
        yield running


RunYfcc = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def prepared_yfcc() -> Iterator[PreparedYfcc]:
    prepared = PreparedYfcc()
    yield prepared
    prepared.close()


@pytest.fixture
def run_yfcc(tmp_path: Path, prepared_yfcc: PreparedYfcc) -> RunYfcc:
    """Run the command as a user would: a process of its own, in an empty folder."""

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        clean = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("AWS_", "YFCC_"))
        }
        own = {"AWS_EC2_METADATA_DISABLED": "true", "XDG_CACHE_HOME": str(tmp_path / "cache")}
        return prepared_yfcc.run(arguments, tmp_path, clean | own | environment, 120)

    return run
