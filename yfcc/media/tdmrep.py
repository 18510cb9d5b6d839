"""``/.well-known/tdmrep.json``: what a site reserves of text and data mining.

W3C TDM Reservation Protocol, final report of 10 May 2024, "TDM File on the Origin Server" and
"Processing priority". Where it fails it fails open, as the report wants: a file that cannot be
had or read means that the site does not take part. An answer's own header goes before the file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import orjson

from yfcc.media.path_pattern import matches_path, normalise_path

TDMREP_PATH: Final = "/.well-known/tdmrep.json"


@dataclass(frozen=True, slots=True)
class TdmDeclaration:
    """What a rule declares.

    Attributes
    ----------
    is_reserved : bool
        Whether the rights are reserved, ``tdm-reservation`` 1.
    policy : str or None
        URL of the terms of a licence.
    """

    is_reserved: bool
    policy: str | None = None

    def __str__(self) -> str:
        """The declaration as the headers of an answer would put it."""
        reservation = f"tdm-reservation: {int(self.is_reserved)}"
        return reservation if self.policy is None else f"{reservation}, tdm-policy: {self.policy}"


@dataclass(frozen=True, slots=True)
class TdmRules:
    """The rules of a site: path patterns and what they declare, None for what is no value."""

    rules: tuple[tuple[str, TdmDeclaration | None], ...] = ()

    def declaration_of(self, target: str) -> TdmDeclaration | None:
        """What is declared of a path with its query: the first match in sequence decides."""
        path = normalise_path(target)
        return next(
            (declared for pattern, declared in self.rules if matches_path(pattern, path)), None
        )


NO_RESERVATIONS: Final = TdmRules()


def parse_tdmrep(content: bytes) -> TdmRules:
    """The rules in a file; none if it is not one. Nothing in it is an error.

    A rule without a location is passed over; one whose reservation is neither 0 nor 1 leaves
    what it matches undeclared.
    """
    try:
        found = orjson.loads(content.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError:
        return NO_RESERVATIONS
    if not isinstance(found, list):
        return NO_RESERVATIONS
    return TdmRules(
        tuple(
            (normalise_path(rule["location"].strip()), _parse_declaration(rule))
            for rule in found
            if isinstance(rule, dict) and isinstance(rule.get("location"), str)
        )
    )


def _parse_declaration(rule: dict[str, Any]) -> TdmDeclaration | None:
    # As text, so that "1" in quotes counts and true does not.
    value = str(rule.get("tdm-reservation")).strip()
    if value not in {"0", "1"}:
        return None
    policy = rule.get("tdm-policy")
    return TdmDeclaration(value == "1", policy[:2000] if isinstance(policy, str) else None)
