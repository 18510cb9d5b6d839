"""Every error of the libraries below has a meaning here."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Iterator

import pytest
import urllib3.exceptions

from yfcc.media.attempt import ErrorKind
from yfcc.media.client import THIRD_PARTY_ERRORS, kind_of, user_agent

CONNECT, CUT, HEADERS = ErrorKind.CONNECT, ErrorKind.CUT, ErrorKind.HEADERS
PROTOCOL, TIMEOUT, TLS = ErrorKind.PROTOCOL, ErrorKind.TIMEOUT, ErrorKind.TLS

URLLIB3 = {
    "BodyNotHttplibCompatible": PROTOCOL,
    "ClosedPoolError": PROTOCOL,
    "ConnectTimeoutError": TIMEOUT,
    "DecodeError": PROTOCOL,
    "EmptyPoolError": PROTOCOL,
    "FullPoolError": PROTOCOL,
    "HTTPError": PROTOCOL,
    "HeaderParsingError": HEADERS,
    "HostChangedError": PROTOCOL,
    "IncompleteRead": CUT,
    "InvalidChunkLength": CUT,
    "InvalidHeader": HEADERS,
    "LocationParseError": PROTOCOL,
    "LocationValueError": PROTOCOL,
    "MaxRetryError": PROTOCOL,
    "NameResolutionError": ErrorKind.NAME,
    "NewConnectionError": CONNECT,
    "PoolError": PROTOCOL,
    "ProtocolError": CUT,
    "ProxyError": PROTOCOL,
    "ProxySchemeUnknown": PROTOCOL,
    "ReadTimeoutError": TIMEOUT,
    "RequestError": PROTOCOL,
    "ResponseError": PROTOCOL,
    "ResponseNotChunked": CUT,
    "SSLError": TLS,
    "TimeoutError": TIMEOUT,
    "TimeoutStateError": PROTOCOL,
    "URLSchemeUnknown": PROTOCOL,
    "UnrewindableBodyError": PROTOCOL,
}
HTTP_CLIENT = {
    "BadStatusLine": PROTOCOL,
    "CannotSendHeader": PROTOCOL,
    "CannotSendRequest": PROTOCOL,
    "HTTPException": PROTOCOL,
    "ImproperConnectionState": PROTOCOL,
    "IncompleteRead": CUT,
    "InvalidURL": PROTOCOL,
    "LineTooLong": HEADERS,
    "NotConnected": PROTOCOL,
    "RemoteDisconnected": CUT,
    "ResponseNotReady": PROTOCOL,
    "UnimplementedFileMode": PROTOCOL,
    "UnknownProtocol": PROTOCOL,
    "UnknownTransferEncoding": PROTOCOL,
}


def tree_of(base: type[Exception], module: str) -> Iterator[type[Exception]]:
    if base.__module__ == module:
        yield base
    for child in base.__subclasses__():
        yield from tree_of(child, module)


@pytest.mark.parametrize(
    ("base", "expected"),
    [(urllib3.exceptions.HTTPError, URLLIB3), (http.client.HTTPException, HTTP_CLIENT)],
)
def test_every_error_of_the_tree_has_its_kind(
    base: type[Exception], expected: dict[str, ErrorKind]
) -> None:
    found = {cls.__name__: kind_of(cls.__new__(cls)) for cls in tree_of(base, base.__module__)}
    assert found == expected


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ssl.SSLCertVerificationError("x"), TLS),
        (ssl.SSLEOFError("x"), TLS),
        (ConnectionResetError(), CUT),
        (BrokenPipeError(), CUT),
        (OSError(113, "no route"), CUT),
        (TimeoutError(), TIMEOUT),
        (socket.gaierror(-2, "x"), CUT),
    ],
)
def test_errors_of_the_system_have_theirs(error: Exception, kind: ErrorKind) -> None:
    assert kind_of(error) is kind
    assert isinstance(error, THIRD_PARTY_ERRORS)


def test_we_say_who_we_are_and_where_our_owner_is_found() -> None:
    assert user_agent("https://example.org/me").startswith("yfcc/")
    assert user_agent("https://example.org/me").endswith(" (+https://example.org/me)")
    assert "(" not in user_agent(None)
    assert "\n" not in user_agent("a\r\nX-Evil: (b)é")
