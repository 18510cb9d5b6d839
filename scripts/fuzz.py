"""Fuzzes one target of ``fuzz_targets.py`` with atheris, starting from ``tests/corpus``.

``pip install --group fuzz``, then ``python scripts/fuzz.py TARGET --seconds 80``: what breaks a
promise is written to ``build/fuzz/crash-…``; what reaches new code, to ``build/fuzz/TARGET``. An
input worth keeping goes to ``tests/corpus/TARGET`` under a name that says why: the tests run it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import atheris

REPOSITORY = Path(__file__).parents[1]
CORPUS = REPOSITORY / "tests" / "corpus"

#: Numba compiles these, and does not know the calls that atheris adds.
COMPILED = [
    ".".join(path.relative_to(REPOSITORY).with_suffix("").parts)
    for path in REPOSITORY.glob("yfcc/**/*.py")
    if "@compiled" in path.read_text(encoding="utf-8")
]

with atheris.instrument_imports(include=["yfcc", "fuzz_targets"], exclude=COMPILED):
    from fuzz_targets import TARGETS


def main() -> None:
    """Fuzz until the time is up or something is found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("target", choices=sorted(TARGETS))
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--max-bytes", type=int, default=2_000, help="of an input")
    parser.add_argument("--out", type=Path, default=Path("build/fuzz"))
    asked = parser.parse_args()
    new = asked.out / asked.target
    new.mkdir(parents=True, exist_ok=True)
    options = [
        f"-max_total_time={asked.seconds}",
        f"-max_len={asked.max_bytes}",
        f"-artifact_prefix={asked.out}/",
        "-print_final_stats=1",
        "-timeout=20",
        "-rss_limit_mb=2000",
    ]
    atheris.Setup(
        [sys.argv[0], *options, str(new), str(CORPUS / asked.target)], TARGETS[asked.target]
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main()
