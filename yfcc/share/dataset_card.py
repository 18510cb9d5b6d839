"""The dataset card of an export, ``README.md`` with the head that the Hugging Face Hub reads."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Final

from yfcc import __version__
from yfcc.catalog.select import LICENSES
from yfcc.plain_text import safe_text
from yfcc.share.export_facts import ExportFacts
from yfcc.share.terms import Terms

CARD: Final = "README.md"

#: Licences that the Hub has a name for; it knows no version 2.0 of the others.
_HUB_LICENSES: Final = {"by": "cc-by-2.0", "by-nc": "cc-by-nc-2.0", "by-nc-sa": "cc-by-nc-sa-2.0"}
_SIZES: Final = (
    *((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M")),
    *((10_000_000, "1M<n<10M"), (100_000_000, "10M<n<100M"), (1_000_000_000, "100M<n<1B")),
)
_FILES: Final = {
    "webdataset": "shards/*.tar",
    "imagefolder": "train/**",
    "parquet": "items/**/*.parquet",
    "tsv": "yfcc100m_dataset*",
}
_CREDITED: Final = (
    "Every item is credited in `ATTRIBUTION.txt` and `ATTRIBUTION.csv`, and in its own record; "
    "`LICENSES.txt` says what each licence asks for."
)
_ROWS: Final = (
    "Each row has its author, page and licence: to credit them is the licences' first duty."
)
_READ: Final = {
    "webdataset": """import webdataset

for sample in webdataset.WebDataset("shards/{000000..%s}.tar", shardshuffle=False):
    sample["__key__"], sample["json"], sample["txt"]  # and "jpg", "png", …: the bytes""",
    "imagefolder": """from datasets import load_dataset

photos = load_dataset("imagefolder", data_dir=".", split="train")
photos[0]["image"], photos[0]["text"]""",
    "parquet": """import polars

items = polars.scan_parquet("items/**/*.parquet")""",
    "tsv": """# In a shell: yfcc metadata --source . --catalog catalog.duckdb
import yfcc

yfcc.open_catalog("catalog.duckdb").select(license="by").polars(["photo_id", "title"])""",
}


def build_card(facts: ExportFacts) -> bytes:
    """The card, UTF-8."""
    lines = [*_head(facts), "", "# A selection of YFCC100M", ""]
    origin_line = (
        f"Catalog: {facts.fingerprint or 'none; every item that the mirror held'}. "
        f"Selected {facts.n_selected:,} items; {facts.n_not_stored:,} of them were not in "
        f"the mirror, {facts.n_forgotten:,} had been removed from it for good, "
        f"{facts.n_left_out:,} were left out."
    )
    written = (
        f"{facts.n_items:,} items of the YFCC100M dataset, "
        f"{facts.n_bytes:,} bytes, written by yfcc {__version__} as {facts.form}."
    )
    sql = f"SELECT * FROM items WHERE {facts.sql}" if facts.fingerprint else f"-- {facts.sql}"
    sql = safe_text(sql).replace("\\n", "\n")
    lines += [written, "", "## Selection", "", "```sql", sql, "```", "", origin_line, ""]
    lines += [*_notes(facts.notes), "## Licences", "", *_licenses(facts.licenses), ""]
    lines += [
        _CREDITED if facts.has_credits else _ROWS,
        _changes(facts),
        "",
        "## Reading it",
        "",
        "```python",
    ]
    lines += [_READ[facts.form].replace("%s", f"{max(facts.n_pieces - 1, 0):06}"), "```", ""]
    lines += [f"`sha256sum -c {facts.checksums}` checks every file.", ""]
    return "\n".join(lines).encode()


def _head(facts: ExportFacts) -> Iterator[str]:
    """YAML; texts stand in it as JSON has them."""
    known = [_HUB_LICENSES[code] for code in facts.licenses if code in _HUB_LICENSES]
    others = [code for code in facts.licenses if code not in _HUB_LICENSES]
    yield "---"
    yield "license:"
    yield from (f"- {name}" for name in known)
    if others or not known:
        yield "- other"
        names = ", ".join(
            Terms(code).name if code in LICENSES else code or "unknown" for code in others
        )
        yield f"license_name: {json.dumps(names or 'none')}"
        link = "LICENSES.txt" if facts.has_credits else "https://creativecommons.org/licenses/"
        yield f"license_link: {link}"
    yield f'pretty_name: "YFCC100M, {facts.n_items} selected items"'
    size = next((name for end, name in _SIZES if facts.n_items < end), "n>1B")
    yield f"size_categories:\n- {json.dumps(size)}"
    yield "tags:\n- yfcc100m\n- flickr"
    yield "configs:\n- config_name: default\n  data_files:\n  - split: train"
    yield f"    path: {json.dumps(_FILES[facts.form])}"
    yield "---"


def _notes(notes: Mapping[str, int]) -> Iterator[str]:
    if notes:
        yield from (f"- {name}: {n:,}" for name, n in sorted(notes.items()))
        yield ""


def _licenses(licenses: Mapping[str, int]) -> Iterator[str]:
    """A line a licence, with what it asks."""
    yield "| licence | items | asks |"
    yield "|---|---|---|"
    for code, n_items in licenses.items():
        if code in LICENSES:
            terms = Terms(code)
            yield f"| {terms.name} | {n_items:,} | {' '.join(terms.duties)} |"
        else:
            yield f"| {code or 'unknown'} | {n_items:,} | Do not hand these items on. |"


def _changes(facts: ExportFacts) -> str:
    if not facts.has_media:
        return "The media themselves are not in it."
    if facts.size is None:
        return "All bytes are as they were received; nothing was resized or encoded anew."
    return (
        f"JPEG and PNG photos whose shorter side has more than {facts.size} pixels were resized "
        f"to {facts.size}; items under ND licences were kept as they are. Each record says what "
        "was done (`changes`)."
    )
