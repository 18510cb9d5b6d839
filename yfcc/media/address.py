"""Which addresses may be asked: URLs, hosts, ports and the machines behind them."""

from __future__ import annotations

import functools
import ipaddress
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urljoin

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}

#: Visible ASCII only, so no CR, LF, blank or IDN; nothing before the host, no backslash.
_URL: Final = re.compile(
    r"(?P<scheme>https?)://"
    r"(?P<host>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])"
    r"(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<target>(?:[/?][!\"$-\[\]-~]*)?)"
    r"(?:#[!-\[\]-~]*)?",
    re.IGNORECASE,
)

_VISIBLE: Final = "".join(map(chr, range(0x21, 0x7F)))

#: Networks that ``ipaddress`` calls global although they lead elsewhere.
_DISGUISES: Final = tuple(
    ipaddress.ip_network(network)
    for network in (
        "::/96",  # IPv4-compatible, RFC 4291 2.5.5.1
        "64:ff9b::/96",  # NAT64, RFC 6052
        "64:ff9b:1::/48",  # local NAT64, RFC 8215
        "100::/64",  # discard, RFC 6666
        "2001::/32",  # Teredo, RFC 4380
        "2002::/16",  # 6to4, RFC 3056
        "fec0::/10",  # site-local, RFC 3879
        "192.88.99.0/24",  # 6to4 relays, RFC 7526
    )
)


class UnusableUrl(ValueError):  # noqa: N818 - the state of the URL is the name
    """A URL that is not asked, with the reason as its message."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host in lower case, and port: what a connection is made to."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        """The origin as the beginning of a URL."""
        default = self.port == _DEFAULT_PORTS[self.scheme]
        return f"{self.scheme}://{self.host}" + ("" if default else f":{self.port}")


@dataclass(frozen=True, slots=True)
class Address:
    """A checked URL: where to connect and what to ask for, ``/path?query``."""

    origin: Origin
    target: str

    def __str__(self) -> str:
        """The whole URL."""
        return f"{self.origin}{self.target}"


@functools.lru_cache(maxsize=1024)
def _origin(scheme: str, host: str, port: str | None) -> Origin:
    scheme = scheme.lower()
    number = int(port) if port else _DEFAULT_PORTS[scheme]
    if not 0 < number < 2**16:
        raise UnusableUrl(f"port {number} does not exist")
    return Origin(scheme, host.lower(), number)


def parse_url(text: str) -> Address:
    """Take a URL apart, strictly.

    Raises
    ------
    UnusableUrl
        Another scheme than http and https, a user name or password, a host or path with other
        characters than visible ASCII, no host, or a port that does not exist.
    """
    match = _URL.fullmatch(text)
    if match is None:
        raise UnusableUrl(_why_unusable(text))
    target = match["target"]
    if not target.startswith("/"):
        target = f"/{target}"
    return Address(_origin(match["scheme"], match["host"], match["port"]), target)


def _why_unusable(text: str) -> str:
    scheme, colon, rest = text.partition(":")
    if not colon or not rest.startswith("//"):
        return f"{text[:200]!r} is no http or https URL"
    if scheme.lower() not in _DEFAULT_PORTS:
        return f"scheme {scheme[:20]!r} is not fetched, only http and https"
    if "@" in rest[2:].partition("/")[0]:
        return "a URL with a user name is not fetched"
    return f"{text[:200]!r} has characters that a URL cannot have"


def follow(base: Address, location: str) -> Address:
    """The address a redirect leads to.

    Raises
    ------
    UnusableUrl
        As :func:`parse_url`, and for a step from https down to http.
    """
    # Servers put raw UTF-8 and blanks there; http.client hands every byte on as one character.
    location = quote(location.encode("latin-1", "replace"), safe=_VISIBLE)
    try:
        joined = urljoin(str(base), location)
    except ValueError as error:
        raise UnusableUrl(f"redirect to {location[:200]!r}, which is no URL") from error
    address = parse_url(joined)
    if base.origin.scheme == "https" and address.origin.scheme == "http":
        raise UnusableUrl(f"redirect from https down to {address.origin}")
    return address


def is_public_address(text: str) -> bool:
    """Whether an IP address, as ``getpeername`` prints it, is one of the public internet.

    False for loopback, private, link-local, multicast, reserved and unspecified addresses, for
    those that carry an IPv4 address inside (mapped addresses are judged by it), and for what is
    no address.
    """
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if not address.is_global or address.is_multicast or address.is_reserved:
        return False
    return not any(address in network for network in _DISGUISES)


@dataclass(frozen=True, slots=True)
class HostRules:
    """Which origins may be asked.

    Attributes
    ----------
    hosts : frozenset of str
        Host names, lower case.
    domains : tuple of str
        Domains, lower case; they and everything below them may be asked.
    named : frozenset of Origin
        Endpoints the user named: any port, and addresses that are not public.
    """

    hosts: frozenset[str]
    domains: tuple[str, ...]
    named: frozenset[Origin] = frozenset()

    def check(self, origin: Origin) -> None:
        """Refuse an origin that may not be asked.

        Raises
        ------
        UnusableUrl
            The host is not on the list, or the port is not the scheme's own.
        """
        if origin in self.named:
            return
        if origin.port not in _DEFAULT_PORTS.values():
            raise UnusableUrl(f"port {origin.port} of {origin.host} is not allowed")
        if origin.host not in self.hosts and not any(
            origin.host == domain or origin.host.endswith(f".{domain}") for domain in self.domains
        ):
            raise UnusableUrl(f"host {origin.host} is not allowed")
