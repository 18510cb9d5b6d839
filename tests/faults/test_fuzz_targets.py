"""Every target of ``scripts/fuzz.py`` on its corpus, and on what Hypothesis makes of it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

REPOSITORY = Path(__file__).parents[2]
sys.path.append(str(REPOSITORY / "scripts"))

from fuzz_targets import TARGETS  # noqa: E402

CORPUS = REPOSITORY / "tests" / "corpus"
KEPT = sorted(path for path in CORPUS.glob("*/*") if path.is_file())


def test_every_target_has_a_corpus_of_its_own_and_none_is_large() -> None:
    assert {path.parent.name for path in KEPT} == TARGETS.keys()
    assert sum(path.stat().st_size for path in KEPT) < 200_000


@pytest.mark.parametrize("path", KEPT, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_kept_input_breaks_no_promise(path: Path) -> None:
    TARGETS[path.parent.name](path.read_bytes())


@st.composite
def mutated(draw: st.DrawFn, kept: list[bytes]) -> bytes:
    """A kept input that is cut, joined with another, and has bytes changed."""
    one, other = draw(st.sampled_from(kept)), draw(st.sampled_from(kept))
    joined = one[: draw(st.integers(0, len(one)))] + other[draw(st.integers(0, len(other))) :]
    content = bytearray(joined)
    for _ in range(draw(st.integers(0, 4)) if content else 0):
        content[draw(st.integers(0, len(content) - 1))] = draw(st.integers(0, 255))
    return bytes(content)


@pytest.mark.parametrize("name", TARGETS)
def test_what_becomes_of_kept_inputs_breaks_no_promise(name: str) -> None:
    kept = [path.read_bytes() for path in KEPT if path.parent.name == name]

    @settings(
        max_examples=40,
        deadline=None,
        derandomize=True,  # what is new is looked for by scripts/fuzz.py
        suppress_health_check=list(HealthCheck),
    )
    @given(st.one_of(mutated(kept), st.binary(max_size=300)))
    def run(content: bytes) -> None:
        TARGETS[name](content)

    run()
