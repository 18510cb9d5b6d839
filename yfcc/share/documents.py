"""What lies beside the tables of an export: credits, card, Croissant file, checksums."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from yfcc.share.croissant import CROISSANT, build_croissant
from yfcc.share.dataset_card import CARD, build_card
from yfcc.share.export_facts import ExportedPart, ExportFacts
from yfcc.share.sink import Sink, Target

CHECKSUMS: Final = "SHA256SUMS"


@dataclass(slots=True)
class Documents:
    """Files of an export that are no data, as they are written.

    Attributes
    ----------
    target : Target
    lead : str
        What their names begin with.
    """

    target: Target
    lead: str = ""
    _sinks: dict[str, Sink] = field(default_factory=dict)

    def open(self, name: str) -> Sink:
        """A new one."""
        path = f"{self.lead}{name}"
        sink = self._sinks[path] = self.target.open_document(path)
        return sink

    def write(self, name: str, content: bytes) -> None:
        """A small one."""
        sink = self.open(name)
        sink.write(content)
        sink.close()

    def abandon(self) -> None:
        """Let go of files that were not finished."""
        for sink in self._sinks.values():
            sink.abandon()

    def measured(self) -> dict[str, ExportedPart]:
        """All of them, which are closed by now."""
        return {
            name: ExportedPart(name, 0, sink.n_bytes, sink.sha256)
            for name, sink in self._sinks.items()
        }

    def finish(self, facts: ExportFacts, pieces: Sequence[ExportedPart]) -> list[dict[str, Any]]:
        """Write card, Croissant file and checksums; what the manifest says of all documents.

        Parameters
        ----------
        facts : ExportFacts
        pieces : sequence of ExportedPart
            The data.

        Raises
        ------
        TargetError
            They cannot be written.
        """
        self.write(CROISSANT, build_croissant(facts, pieces, self.measured()))
        self.write(CARD, build_card(facts))
        told = [*pieces, *self.measured().values()]
        lines = "".join(f"{part.sha256}  {part.path}\n" for part in told)
        self.write(CHECKSUMS, lines.encode())
        return [
            {"path": part.path, "n_bytes": part.n_bytes, "sha256": part.sha256}
            for part in self.measured().values()
        ]
