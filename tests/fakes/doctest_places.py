"""What the examples in docstrings look at: a small sample's catalog, and a mirror of it."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

import yfcc

if TYPE_CHECKING:
    from yfcc.demo.run import DemoPlaces

_N_ITEMS: Final = 60

#: Importing it needs the extra `torch`.
_NEEDS_TORCH: Final = Path("yfcc/api/torch.py")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out what cannot be imported here."""
    is_torch = collection_path == config.rootpath / _NEEDS_TORCH
    return True if is_torch and find_spec("torch") is None else None


@pytest.fixture(scope="session")
def doctest_demo(tmp_path_factory: pytest.TempPathFactory) -> DemoPlaces:
    """The places of a demo."""
    # Most tests need none of what this loads.
    from tests.fakes.demo_places import make_demo

    return make_demo(tmp_path_factory.mktemp("demo"), _N_ITEMS)


@pytest.fixture(autouse=True)
def _names_of_examples(request: pytest.FixtureRequest, doctest_namespace: dict[str, Any]) -> None:
    """``yfcc`` and ``demo``, for the examples that need them."""
    if isinstance(request.node, pytest.DoctestItem) and request.node.name.startswith("yfcc.api"):
        doctest_namespace |= {"yfcc": yfcc, "demo": request.getfixturevalue("doctest_demo")}
