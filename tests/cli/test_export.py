"""``yfcc export``: flags, settings and messages."""

from __future__ import annotations

import inspect
import json
from pathlib import Path

import pytest
from typer.main import get_command

from tests.conftest import RunYfcc
from tests.flow.test_export_parquet import make_catalog
from yfcc.cli.export import app
from yfcc.cli.main import app as whole

FORMS = get_command(app).commands  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_catalog(tmp_path_factory.mktemp("catalog") / "catalog.duckdb", 500))


@pytest.mark.parametrize("form", sorted(FORMS))
def test_a_form_and_each_of_its_flags_explains_itself(form: str) -> None:
    assert FORMS[form].help
    for parameter in FORMS[form].params:
        assert getattr(parameter, "help", None), f"{form} {parameter.name}"


def test_export_has_the_selection_flags_of_download() -> None:
    def flags(command: object) -> set[str]:
        return {option for parameter in command.params for option in parameter.opts}  # type: ignore[attr-defined]

    commands = get_command(whole).commands  # type: ignore[attr-defined]
    selection = {
        *("--where", "--license", "--commercial", "--derivatives", "--media", "--bbox"),
        *("--country", "--place", "--taken", "--uploaded", "--tag", "--autotag", "--user"),
        *("--device", "--lines", "--ids", "--sample", "--seed"),
    }
    for command in (FORMS["parquet"], commands["download"]):
        assert selection <= flags(command)


def test_export_lists_its_forms(run_yfcc: RunYfcc) -> None:
    done = run_yfcc("export", "--help")
    assert "parquet" in done.stdout


def test_parquet_says_what_it_wrote(catalog: str, run_yfcc: RunYfcc) -> None:
    done = run_yfcc("export", "parquet", "--catalog", catalog, "--out", "out")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split("\t") == ["license", "items", "files", "bytes"]
    assert len(lines) == 1 + 5 + 1
    assert lines[-1].startswith("500 items in 5 files, ")
    assert lines[-1].endswith(" in out/items")


def test_json_is_one_document_whose_counts_add_up(
    catalog: str, run_yfcc: RunYfcc, tmp_path: Path
) -> None:
    done = run_yfcc(
        *("export", "parquet", "--catalog", catalog, "--out", "out", "--json"),
        *("--partition-by", "media_kind,license", "--media", "photo", "--files-rows", "20"),
    )
    answer = json.loads(done.stdout)
    assert answer["n_rows"] == 490 == sum(part["n_rows"] for part in answer["partitions"])
    assert answer["n_files"] == sum(part["n_files"] for part in answer["partitions"])
    assert {part["media_kind"] for part in answer["partitions"]} == {"photo"}
    assert None in {part["license"] for part in answer["partitions"]}
    assert (tmp_path / answer["manifest"]).is_file()
    assert len(list((tmp_path / answer["items"]).rglob("*.parquet"))) == answer["n_files"]


def test_quiet_says_nothing(catalog: str, run_yfcc: RunYfcc) -> None:
    done = run_yfcc(
        *("export", "parquet", "--catalog", catalog, "--out", "out", "--quiet"),
        *("--where", "false"),
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_an_empty_selection_says_so(catalog: str, run_yfcc: RunYfcc) -> None:
    done = run_yfcc("export", "parquet", "--catalog", catalog, "--out", "out", "--where", "false")
    assert done.stdout.splitlines()[-1].startswith("0 items in 1 files")


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--out", "out", "--partition-by", "licence"), "license, media_kind, extension"),
        (("--out", "out", "--license", "cc0"), "by-nc-nd"),
        (("--out", "gs://bucket/x"), "expected a directory or s3://bucket/prefix"),
        ((), "--out"),
    ],
)
def test_a_wrong_flag_is_exit_2_with_what_is_right(
    flags: tuple[str, ...], says: str, catalog: str, run_yfcc: RunYfcc, tmp_path: Path
) -> None:
    done = run_yfcc("export", "parquet", "--catalog", catalog, *flags)
    assert done.returncode == 2
    assert says in done.stderr
    assert not (tmp_path / "out").exists()


def test_no_catalog_is_exit_4(run_yfcc: RunYfcc) -> None:
    done = run_yfcc("export", "parquet", "--catalog", "nowhere.duckdb", "--out", "out")
    assert done.returncode == 4
    assert "yfcc metadata" in done.stderr


def test_settings_of_the_file_reach_a_form(catalog: str, run_yfcc: RunYfcc, tmp_path: Path) -> None:
    text = f"""
    catalog = "{catalog}"
    [export.parquet]
    out = "from-settings"
    """
    (tmp_path / "yfcc.toml").write_text(inspect.cleandoc(text))
    done = run_yfcc("export", "parquet", "--quiet")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "from-settings" / "_manifest.json").is_file()
