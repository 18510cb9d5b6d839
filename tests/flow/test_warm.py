"""What an install compiles is all that is compiled: nobody waits for the compiler later."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.conftest import SampleAt

#: In a process of its own: the loops of this one have been used by other tests.
_CHECK = """
import importlib, pkgutil, sys
from pathlib import Path
import numba, yfcc.catalog, yfcc.metadata
from yfcc.catalog.build import BuildSettings, build_catalog
from yfcc.catalog.reader import Catalog
from yfcc.catalog.select import Selection
from yfcc.catalog.text_index import ensure_words
from yfcc.catalog.warm import compile_loops
from yfcc.metadata.source import open_source
from yfcc.progress import SilentProgress
from yfcc.share.tsv import TsvRequest, export_tsv

compile_loops()
loops = {}
for room in (yfcc.catalog, yfcc.metadata):
    for found in pkgutil.iter_modules(room.__path__, room.__name__ + "."):
        for value in vars(importlib.import_module(found.name)).values():
            if isinstance(value, numba.core.registry.CPUDispatcher):
                loops[value.py_func.__module__, value.py_func.__name__] = value
before = {name: set(loop.signatures) for name, loop in loops.items()}
assert sum(map(bool, before.values())) > 15, before
folder = Path(sys.argv[2])
catalog = folder / "catalog.duckdb"
build_catalog(open_source(sys.argv[1]), BuildSettings(catalog), SilentProgress())
with Catalog(catalog) as opened:
    ensure_words(opened, lambda _: None)
export_tsv(TsvRequest(catalog, str(folder / "tsv"), Selection()))
more = {name: set(loop.signatures) - before[name] for name, loop in loops.items()}
assert not any(more.values()), {name: found for name, found in more.items() if found}
"""


def test_after_an_install_nothing_is_left_to_compile(sample: SampleAt, tmp_path: Path) -> None:
    source = sample.directory / "buckets" / "yfcc100m-metadata" / "v2"
    command = [sys.executable, "-c", _CHECK, str(source), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stderr) == (0, "")
