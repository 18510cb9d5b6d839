"""What every site asks of robots: its robots.txt and its reservations."""

from __future__ import annotations

from typing import Final

from yfcc.media.address import Address, HostRules, Origin
from yfcc.media.client import Client
from yfcc.media.clock import Clock
from yfcc.media.gate import HostGate
from yfcc.media.rights import PRODUCT
from yfcc.media.robots import RobotsRules, parse_robots
from yfcc.media.site_pages import PageReader, SitePages
from yfcc.media.tdmrep import TDMREP_PATH, TdmDeclaration, parse_tdmrep

_ROBOTS_PATH: Final = "/robots.txt"

#: Without its rules nothing may be asked of a host, so that a moment of trouble is waited out.
_N_TRIES: Final = 3


class RobotsUnreachableError(Exception):
    """The rules of a host cannot be had now, so nothing there may be asked."""


class RobotsBook:
    """Rules by origin, shared by all threads.

    Parameters
    ----------
    client : Client
    rules : HostRules
        Where redirects may lead.
    clock : Clock
    timeout_s : float
        For one page.
    """

    def __init__(
        self, client: Client, rules: HostRules, clock: Clock, timeout_s: float = 60.0
    ) -> None:
        reader = PageReader(client, rules, clock, timeout_s)
        self._robots = SitePages(
            reader, _ROBOTS_PATH, lambda page: parse_robots(page, PRODUCT), _N_TRIES
        )
        self._reservations = SitePages(reader, TDMREP_PATH, parse_tdmrep)

    def rules_of(self, origin: Origin, gate: HostGate) -> RobotsRules:
        """The robots.txt of a host, fetched if it is not known or a day old.

        One that was had before is good for longer when it cannot be had again.

        Raises
        ------
        RobotsUnreachableError
            It cannot be had (RFC 9309, 2.3.1.4: then nothing may be fetched).
        ConnectError, PeerRefusedError
            There is no connection, or one that may not be; nothing is remembered.
        """
        rules = self._robots.of(origin, gate)
        if rules is None:
            raise RobotsUnreachableError(f"{origin}{_ROBOTS_PATH} cannot be had")
        return rules

    def declaration_of(self, address: Address, gate: HostGate) -> TdmDeclaration | None:
        """What a host's tdmrep.json declares of an address; None if nothing.

        Raises
        ------
        RobotsUnreachableError, ConnectError, PeerRefusedError
            As :meth:`rules_of`.
        """
        if not self.rules_of(address.origin, gate).allows(TDMREP_PATH):
            return None
        reservations = self._reservations.of(address.origin, gate)
        return None if reservations is None else reservations.declaration_of(address.target)
