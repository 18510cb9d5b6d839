"""How far an export of tables is."""

from __future__ import annotations

from dataclasses import dataclass, field
from time import monotonic


@dataclass(slots=True)
class ExportCounts:
    """How far an export is, as a display asks for it."""

    n_selected: int
    n_exported: int = 0
    n_bytes: int = 0
    started_s: float = field(default_factory=monotonic)

    @property
    def outcomes(self) -> dict[str, int]:
        """Items read so far."""
        return {"exported": self.n_exported}

    @property
    def not_yet_tried(self) -> int:
        """Items still to come."""
        return self.n_selected - self.n_exported

    @property
    def elapsed_s(self) -> float:
        """Seconds since the export began."""
        return monotonic() - self.started_s
