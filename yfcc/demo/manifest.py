"""The photo server's answers, by path, as a JSON file."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from yfcc.demo.fates import Behaviour

MANIFEST_NAME: Final = "manifest.json"


@dataclass(frozen=True)
class Answer:
    """What one download URL gives.

    Attributes
    ----------
    behaviour : Behaviour
    file : str or None
        Relative to the sample's directory.
    """

    behaviour: Behaviour
    file: str | None


@dataclass(frozen=True)
class Manifest:
    """All answers.

    Attributes
    ----------
    answers : mapping
        URL path to answer.
    pages : mapping
        URL path of an item's page to its HTTP status.
    placeholder_sha256 : str
        Digest of the picture at ``/photo_unavailable.png``.
    """

    answers: dict[str, Answer] = field(default_factory=dict)
    pages: dict[str, int] = field(default_factory=dict)
    placeholder_sha256: str = ""

    def write(self, path: Path) -> None:
        """Write it as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        document = {
            "placeholder_sha256": self.placeholder_sha256,
            "answers": {
                key: {"behaviour": answer.behaviour, "file": answer.file}
                for key, answer in self.answers.items()
            },
            "pages": self.pages,
        }
        path.write_text(json.dumps(document, indent=0) + "\n", "utf-8")


def read_manifest(path: Path) -> Manifest:
    """Read what `Manifest.write` wrote; empty where there is none (a sample of metadata only)."""
    try:
        document = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return Manifest()
    answers = {
        key: Answer(Behaviour(answer["behaviour"]), answer["file"])
        for key, answer in document["answers"].items()
    }
    return Manifest(answers, document["pages"], document["placeholder_sha256"])


def url_path(url: str) -> str:
    """The path of a URL, which is all the photo server looks at."""
    return urlsplit(url).path
