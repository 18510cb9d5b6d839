"""``runs`` and ``downloads`` in SQL, with a mirror and without."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.conftest import RunYfcc
from tests.fakes.mirror_checks import download
from tests.fakes.mirror_items import FakeAcquire, make_items
from yfcc.model import Outcome

ADDS_UP = (
    "SELECT count(*) AS n, sum(n_selected) AS selected, "
    "bool_and(n_selected = list_sum(map_values(outcomes)) + not_yet_tried) AS adds_up FROM runs"
)


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory, sample_catalog: Path) -> str:
    path = tmp_path_factory.mktemp("catalog") / "catalog.duckdb"
    shutil.copyfile(sample_catalog, path)
    return str(path)


def ask(run_yfcc: RunYfcc, catalog: str, sql: str, *more: str) -> list[dict[str, object]]:
    done = run_yfcc("query", sql, "--catalog", catalog, "--json", *more)
    assert done.returncode == 0, done.stderr
    answer: list[dict[str, object]] = json.loads(done.stdout)
    return answer


def test_runs_can_be_asked_for_in_sql(tmp_path: Path, catalog: str, run_yfcc: RunYfcc) -> None:
    download(tmp_path / "mirror", make_items(40), FakeAcquire(lambda _: Outcome.FAILED))
    download(tmp_path / "mirror", make_items(50))
    (row,) = ask(run_yfcc, catalog, ADDS_UP, "--mirror", "mirror")
    assert row == {"n": 2, "selected": 90, "adds_up": True}
    sql = (
        "SELECT exit_code, outcomes['failed'] AS n, state, started <= ended AS o "
        "FROM runs ORDER BY exit_code"
    )
    assert ask(run_yfcc, catalog, sql, "--mirror", "mirror") == [
        {"exit_code": 0, "n": None, "state": "finished", "o": True},
        {"exit_code": 3, "n": 40, "state": "finished", "o": True},
    ]
    # A name that a query puts together brings the table too.
    sql = "SELECT count(*) AS n FROM query_table('down' || 'loads')"
    assert ask(run_yfcc, catalog, sql, "--mirror", "mirror") == [{"n": 50}]


def test_without_a_mirror_both_tables_are_empty(catalog: str, run_yfcc: RunYfcc) -> None:
    sql = "SELECT (SELECT count(*) FROM runs) AS r, (SELECT count(*) FROM downloads) AS d"
    assert ask(run_yfcc, catalog, sql) == [{"r": 0, "d": 0}]


def test_the_columns_are_the_same_with_a_mirror_and_without(
    tmp_path: Path, catalog: str, run_yfcc: RunYfcc
) -> None:
    download(tmp_path / "mirror", make_items(3))
    sql = "SELECT column_name, column_type FROM (DESCRIBE runs)"
    assert ask(run_yfcc, catalog, sql) == ask(run_yfcc, catalog, sql, "--mirror", "mirror")


def test_a_ledger_is_read_only_for_who_asks_for_it(
    tmp_path: Path, catalog: str, run_yfcc: RunYfcc
) -> None:
    download(tmp_path / "mirror", make_items(3))
    (tmp_path / "mirror" / "ledger" / "000.jsonl").symlink_to("/dev/null")
    with_mirror = ("--mirror", "mirror")
    assert ask(run_yfcc, catalog, "SELECT count(*) AS n FROM runs", *with_mirror) == [{"n": 1}]
    done = run_yfcc("query", "SELECT count(*) FROM Downloads", "--catalog", catalog, *with_mirror)
    assert done.returncode == 6
    done = run_yfcc("query", "SELECT 1", "--catalog", catalog, "--mirror", "nowhere")
    assert (done.returncode, "no mirror at nowhere" in done.stderr) == (2, True)
