"""The SQL files that ship with the package."""

from __future__ import annotations

from pathlib import Path

import yfcc
from yfcc.errors import YfccError


def sql_directory() -> Path:
    """The folder with ``schema/``, ``views/`` and ``queries/``.

    In a wheel it lies inside the package, in a checkout beside it.
    """
    package = Path(yfcc.__file__).parent
    for candidate in (package / "sql", package.parent / "sql"):
        if (candidate / "schema" / "items.sql").is_file():
            return candidate
    raise YfccError(f"the SQL files are missing beside {package}. Install yfcc again.")


def read_sql(name: str) -> str:
    """Text of a SQL file, ``schema/items.sql``."""
    return (sql_directory() / name).read_text(encoding="utf-8")


def sql_names(folder: str) -> list[str]:
    """Names of the SQL files in ``queries``, ``schema`` or ``views``, in order."""
    return sorted(path.name for path in (sql_directory() / folder).glob("*.sql"))
