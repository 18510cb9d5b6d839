"""What commands and settings are called is documented, and nothing else is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.main import get_command

from yfcc.cli.main import app
from yfcc.errors import YfccError

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = get_command(app).commands  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_a_command_is_in_the_readme(name: str) -> None:
    assert re.search(rf"\b(yfcc|make) {name}\b", README)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_a_command_and_each_of_its_flags_explains_itself(name: str) -> None:
    assert COMMANDS[name].help
    for parameter in COMMANDS[name].params:
        assert getattr(parameter, "help", "an argument"), f"{name} {parameter.name}"


def test_every_exit_code_of_the_errors_is_in_the_readme() -> None:
    def tree(kind: type[YfccError]) -> set[type[YfccError]]:
        return {kind}.union(*(tree(each) for each in kind.__subclasses__()))

    for code in {kind.exit_code for kind in tree(YfccError)}:
        assert re.search(rf"^\| {code} \|", README, re.MULTILINE), code


def test_every_sql_file_says_in_out_and_rows() -> None:
    for path in (ROOT / "sql").rglob("*.sql"):
        head = path.read_text(encoding="utf-8").splitlines()[:8]
        for word in ("-- in: ", "-- out: ", "-- rows: "):
            assert any(line.startswith(word) for line in head), f"{path.name} lacks {word!r}"


def test_every_example_query_of_the_readme_exists() -> None:
    for name in re.findall(r"sql/queries/(\w+\.sql)", README):
        assert (ROOT / "sql" / "queries" / name).is_file()
