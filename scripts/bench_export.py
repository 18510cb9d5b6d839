"""Archives for the webdataset library, against what else writes them from the same pictures.

The pictures lie in a mirror on disk. All are read, and written without being resized; img2dataset
is given the files as ``file://`` addresses.
"""

from __future__ import annotations

import os
import shutil
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Final

import bench_download
import picture_cases
from timing import (
    Measured,
    in_pairs,
    measure,
    median_cpu,
    median_ratio,
    median_wall,
    print_rows,
    wall_pairs,
)

_SCRIPTS: Final = Path(__file__).parent
_YFCC: Final = (sys.executable, "-m", "yfcc.cli.main")
_SHARD_ITEMS: Final = "1000"


def run(out: Path, n_items: int, n_pairs: int, *, may_install: bool) -> None:
    """Print the table."""
    work = (out / "bench-export").absolute()
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    mirror, n_pictures, n_bytes = _make_mirror(work, n_items)
    print(
        f"## export: {n_pictures:,} pictures of {n_bytes / 1e6:,.0f} MB from a mirror on disk, "
        f"{n_pairs} runs of each\n"
    )
    exports = work / "exports"
    exports.mkdir()

    def fresh() -> Path:
        return exports / f"{len(list(exports.iterdir())):03}"

    def once(*command: str) -> Measured:
        found = measure(command, {"NO_ALBUMENTATIONS_UPDATE": "1"})
        _check_complete(command, exports, n_pictures)
        _give_back(exports)
        return found

    def ours(*flags: str) -> Callable[[], Measured]:
        asked = ("export", "webdataset", "--mirror", str(mirror), "--shard-items", _SHARD_ITEMS)
        return lambda: once(*_YFCC, *asked, "--quiet", *flags, "--out", str(fresh()))

    rows: dict[str, Callable[[], Measured]] = {
        "yfcc export webdataset: all checked, durable, credited": ours(),
        "the same, one thread": ours("--workers", "1"),
    }
    script = str(_SCRIPTS / "rival_tarwriter.py")
    rows["loop over webdataset's ShardWriter, nothing checked"] = lambda: once(
        sys.executable, script, str(mirror), str(fresh())
    )
    program = bench_download._install_img2dataset(out) if may_install else None  # noqa: SLF001
    if program is None:
        print("img2dataset is not installed: its rows are left out.\n")
    else:
        _add_img2dataset(rows, program, _list_files(work, mirror), once, fresh)
    first, *others = in_pairs(n_pairs, *rows.values())
    told = []
    for name, each in zip(rows, [first, *others], strict=True):
        wall_s, cpu_s = median_wall(each), median_cpu(each)
        rates = [n_pictures / wall_s, n_bytes / wall_s / 1e6, cpu_s / n_pictures * 1_000]
        peak_mb = round(median(one.peak_mb for one in each))
        times = 1 / median_ratio(first, each)
        told.append([name, wall_s, cpu_s, *rates, peak_mb, times, wall_pairs(first, each)])
    names = ["", "wall s", "CPU s", "items/s", "MB/s", "CPU s a 1,000", "peak MB"]
    print_rows([*names, "yfcc is x as fast", "pairs, first row's wall s/this one's"], told)
    print()
    shutil.rmtree(work)


def _make_mirror(work: Path, n_items: int) -> tuple[Path, int, int]:
    """A mirror of photos as Flickr's, how many there are, and their bytes."""
    dense = picture_cases.dense_ids
    case = picture_cases.make_case(work / "source", n_items, dense)
    mirror = work / "mirror"
    with picture_cases.serve(case.list_file) as server:
        environment = {"AWS_ENDPOINT_URL_S3": server.endpoint}
        measure([*_YFCC, *case.command(mirror)], environment)
    paths = list(mirror.glob("media/*/*/*.jpg"))
    return mirror, len(paths), sum(path.stat().st_size for path in paths)


def _list_files(work: Path, mirror: Path) -> Path:
    listed = work / "files.txt"
    paths = sorted(mirror.glob("media/*/*/*.jpg"))
    listed.write_text("".join(f"file://{path}\n" for path in paths))
    return listed


def _add_img2dataset(
    rows: dict[str, Callable[[], Measured]],
    program: Path,
    listed: Path,
    once: Callable[..., Measured],
    fresh: Callable[[], Path],
) -> None:
    asked = [str(program), "--url_list", str(listed), "--input_format", "txt"]
    asked += ["--output_format", "webdataset", "--resize_mode", "no"]
    asked += ["--number_sample_per_shard", _SHARD_ITEMS, "--thread_count", "32"]
    for name, flags in (
        ("img2dataset, the bytes as they come", ["--disable_all_reencoding", "True"]),
        ("img2dataset, --resize_mode no", []),
    ):
        for n_processes in ("1", "2"):
            command = [*asked, *flags, "--processes_count", n_processes, "--output_folder"]
            rows[f"{name}, {n_processes} processes"] = lambda command=command: once(  # type: ignore[misc]
                *command, str(fresh())
            )


def _check_complete(command: tuple[str, ...], exports: Path, n_pictures: int) -> None:
    """See that the latest export has every picture: img2dataset counts failures, and ends with 0.

    Raises
    ------
    SystemExit
        It lacks some; its time would be that of less work.
    """
    n_found = 0
    for path in max(exports.iterdir()).rglob("*.tar"):
        with tarfile.open(path) as archive:
            n_found += sum(member.name.endswith((".jpg", ".jpeg")) for member in archive)
    if n_found != n_pictures:
        raise SystemExit(
            f"{' '.join(command)}: expected {n_pictures:,} pictures, it wrote {n_found:,}"
        )


def _give_back(exports: Path) -> None:
    """Let go of the disk's space, but not of the files: ext4 is slow where some were removed."""
    for path in exports.rglob("*"):
        if path.is_file():
            os.truncate(path, 0)
