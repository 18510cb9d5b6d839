"""robots.txt (RFC 9309), with the ``Content-Usage`` rule of the AIPREF attach draft."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from yfcc.media.path_pattern import matches_path, normalise_path

#: So much of a file is read; RFC 9309, 2.5 asks for 500 KiB at least.
MAX_ROBOTS_BYTES: Final = 512 * 1024

_LINE: Final = re.compile(r"\s*([A-Za-z-]+)\s*:\s*([^#]*)")
_PRODUCT: Final = re.compile(r"[A-Za-z_-]+|\*")


@dataclass(frozen=True, slots=True)
class RobotsRules:
    """The rules of a site for one robot.

    Attributes
    ----------
    paths : tuple of (str, bool)
        Path patterns, and whether they allow.
    usages : tuple of (str, str)
        Path patterns, and what ``Content-Usage`` says there.
    """

    paths: tuple[tuple[str, bool], ...] = ()
    usages: tuple[tuple[str, str], ...] = ()

    def allows(self, target: str) -> bool:
        """Whether a path with its query may be fetched: the longest match decides.

        Of two equally long ones the one that allows does (RFC 9309, 2.2.2).
        """
        path = normalise_path(target)
        best = max(
            (
                (len(pattern), allows)
                for pattern, allows in self.paths
                if matches_path(pattern, path)
            ),
            default=(0, True),
        )
        return best[1]

    def usage_of(self, target: str) -> tuple[str, ...]:
        """What the rules with the longest match say about using what is there."""
        path = normalise_path(target)
        found = [
            (len(pattern), text) for pattern, text in self.usages if matches_path(pattern, path)
        ]
        longest = max((length for length, _ in found), default=0)
        return tuple(text for length, text in found if length == longest)


def parse_robots(content: bytes, product: str) -> RobotsRules:
    """The rules for one robot; those for ``*`` if none name it.

    Groups that name the same robot count as one. Nothing in a file is an error.

    Parameters
    ----------
    content : bytes
    product : str
        Our name, compared without regard to case.
    """
    groups: dict[str, tuple[list[tuple[str, bool]], list[tuple[str, str]]]] = {}
    names: list[str] = []
    in_rules = False
    for field, value in _iter_lines(content):
        if field == "user-agent":
            names = [] if in_rules else names
            in_rules = False
            match = _PRODUCT.match(value)
            names.append(match[0].lower() if match else "")
            continue
        if field not in {"allow", "disallow", "content-usage"}:
            continue  # Sitemap and the like belong to no group
        in_rules = True
        for name in names:
            paths, usages = groups.setdefault(name, ([], []))
            if field == "content-usage":
                usages.append(_split_usage(value))
            elif value:
                paths.append((normalise_path(value), field == "allow"))
    paths, usages = groups.get(product.lower()) or groups.get("*") or ([], [])
    return RobotsRules(tuple(paths), tuple(usages))


def _iter_lines(content: bytes) -> Iterator[tuple[str, str]]:
    text = content[:MAX_ROBOTS_BYTES].removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
    for line in re.split(r"\r\n|\r|\n", text):
        match = _LINE.match(line)
        if match is not None:
            yield match[1].lower(), match[2].strip()


def _split_usage(value: str) -> tuple[str, str]:
    if not value.startswith("/"):
        return "/", value
    path, _, text = value.replace("\t", " ").partition(" ")
    return normalise_path(path), text.strip()
