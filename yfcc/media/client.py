"""Asking a host, over urllib3: one pool of connections for each origin, shared by all threads.

No proxies from the environment, no redirects, no retries, no decoding: all of it is decided
elsewhere, in sight. This is also the one door through which errors of urllib3, ``http.client``
and ``ssl`` come in, and are translated.
"""

from __future__ import annotations

import http.client
import re
import ssl
from collections import deque
from threading import Event
from typing import Final

import urllib3
from urllib3.util.ssl_match_hostname import CertificateError

from yfcc import __version__
from yfcc.media.address import Address, HostRules, Origin
from yfcc.media.answer import Answer
from yfcc.media.attempt import (
    BrokenAnswerError,
    ConnectError,
    ErrorKind,
    PeerRefusedError,
    TransportError,
)
from yfcc.media.clock import Clock
from yfcc.media.connection import (
    Connection,
    PlainConnection,
    TlsConnection,
    ask,
    is_idle,
    limit_waiting,
)
from yfcc.media.gate import HostGate
from yfcc.media.rights import PRODUCT
from yfcc.media.settings import FetchSettings
from yfcc.media.watch import SpeedLimits, Watch

#: Everything that urllib3, http.client, ssl and the socket raise over a request.
THIRD_PARTY_ERRORS: Final = (
    urllib3.exceptions.HTTPError,
    http.client.HTTPException,
    CertificateError,
    OSError,
)

#: The first match counts; what is not listed broke off in some way.
_KINDS: Final[tuple[tuple[type[Exception], ErrorKind], ...]] = (
    (urllib3.exceptions.NameResolutionError, ErrorKind.NAME),
    (urllib3.exceptions.NewConnectionError, ErrorKind.CONNECT),
    (urllib3.exceptions.TimeoutError, ErrorKind.TIMEOUT),
    (TimeoutError, ErrorKind.TIMEOUT),
    (BlockingIOError, ErrorKind.TIMEOUT),
    (urllib3.exceptions.SSLError, ErrorKind.TLS),
    (ssl.SSLError, ErrorKind.TLS),
    (CertificateError, ErrorKind.TLS),
    (urllib3.exceptions.InvalidHeader, ErrorKind.HEADERS),
    (urllib3.exceptions.HeaderParsingError, ErrorKind.HEADERS),
    (http.client.LineTooLong, ErrorKind.HEADERS),
    (http.client.IncompleteRead, ErrorKind.CUT),
    (http.client.RemoteDisconnected, ErrorKind.CUT),
    (urllib3.exceptions.ProtocolError, ErrorKind.CUT),
    (OSError, ErrorKind.CUT),
    (urllib3.exceptions.HTTPError, ErrorKind.PROTOCOL),
    (http.client.HTTPException, ErrorKind.PROTOCOL),
)

#: Visible ASCII.
_TARGET: Final = re.compile(r"/[!-~]*")
_HEADERS: Final = "Accept-Encoding: identity\r\nAccept: */*\r\n"

#: So much of an answer that nobody wants is read to keep its connection.
_DISCARD_BYTES: Final = 2**16


def kind_of(error: Exception) -> ErrorKind:
    """What a third party's error means here."""
    return next((kind for cls, kind in _KINDS if isinstance(error, cls)), ErrorKind.PROTOCOL)


def _describe(error: Exception) -> str:
    # urllib3's messages begin with the connection's repr, memory address and all.
    text = str(error).rpartition(")>: ")[2] or type(error).__name__
    return f"{type(error).__name__}: {text[:300]}"


class _Pool:
    """Idle connections to one origin."""

    def __init__(self, origin: Origin, may_be_private: bool, tls: ssl.SSLContext | None) -> None:
        self._origin = origin
        self._may_be_private = may_be_private
        self._tls = tls
        self._idle: deque[Connection] = deque()
        self._is_closed = False
        self._host = str(origin).partition("://")[2].encode("ascii")

    def request(self, target: str, headers: bytes) -> bytes:
        """The request for a target.

        Raises
        ------
        http.client.InvalidURL
            It has characters that would end the line.
        """
        if _TARGET.fullmatch(target) is None:
            raise http.client.InvalidURL(f"{target[:200]!r} is no target of a request")
        line = b"GET %b HTTP/1.1\r\nHost: %b\r\n%b\r\n"
        return line % (target.encode("ascii"), self._host, headers)

    def take(self) -> Connection | None:
        """The connection used last, if any is alive."""
        while self._idle:
            try:
                connection = self._idle.pop()
            except IndexError:  # another thread was faster
                return None
            # Also not alive: one with bytes on it that nobody asked for.
            if is_idle(connection):
                return connection
            connection.close()
        return None

    def make(self, timeout_s: float) -> Connection:
        """A connection yet to be connected."""
        host, port = self._origin.host.strip("[]"), self._origin.port
        connection: Connection
        if self._origin.scheme == "https":
            connection = TlsConnection(host, port, timeout=timeout_s, ssl_context=self._tls)
        else:
            connection = PlainConnection(host, port, timeout=timeout_s)
        connection.may_be_private = self._may_be_private
        return connection

    def put(self, connection: Connection) -> None:
        """Keep a connection whose answer was read to its end."""
        if self._is_closed:
            connection.close()
        else:
            self._idle.append(connection)

    def close(self) -> None:
        """Close all that is idle, and what becomes so."""
        self._is_closed = True
        while self._idle:
            self._idle.pop().close()


class Reply:
    """An answer with its headers read and its body waiting.

    It has to be ended with :meth:`discard` or :meth:`close`.

    Attributes
    ----------
    status : int
    headers : yfcc.media.headers.Headers
    """

    def __init__(self, answer: Answer, connection: Connection, pool: _Pool) -> None:
        self.status = answer.status
        self.headers = answer.fields
        self._answer = answer
        self._connection = connection
        self._pool = pool

    def read(self, n_bytes: int) -> bytes | bytearray:
        """The next bytes of the body, fewer only at its end.

        Raises
        ------
        BrokenAnswerError
            It broke off.
        """
        try:
            return self._answer.read(n_bytes)
        except THIRD_PARTY_ERRORS as error:
            raise BrokenAnswerError(kind_of(error), _describe(error)) from error

    def discard(self) -> None:
        """Read what is left, if that is little, and keep the connection."""
        try:
            # Of an answer that ends with its connection nobody has to wait for the end.
            if not self._answer.isclosed() and not self._answer.will_close:
                self.read(_DISCARD_BYTES)
        except BrokenAnswerError:
            self.close()
            return
        if self._answer.isclosed() and not self._answer.will_close:
            self._pool.put(self._connection)
        else:
            self.close()

    def close(self) -> None:
        """Drop the connection: the body is not wanted."""
        self._answer.close()
        self._connection.close()


class Client:
    """All connections of a run, usable from many threads.

    Parameters
    ----------
    settings : FetchSettings
    rules : HostRules
        Which hosts the user named.
    clock : Clock
    stop : threading.Event
    """

    def __init__(
        self, settings: FetchSettings, rules: HostRules, clock: Clock, stop: Event
    ) -> None:
        self._connect_timeout_s = settings.connect_timeout_s
        self._allows_private = settings.allow_private_hosts
        self._named = rules.named
        self._clock = clock
        self._stop = stop
        self._limits = SpeedLimits(
            settings.read_timeout_s, settings.min_rate_bytes_s, settings.min_rate_window_s
        )
        self._tls: ssl.SSLContext | None = None
        self._pools: dict[Origin, _Pool] = {}
        self._reached: set[Origin] = set()
        headers = f"User-Agent: {user_agent(settings.contact)}\r\n{_HEADERS}"
        self._headers = headers.encode("ascii")

    def get(self, address: Address, deadline_s: float) -> Reply:
        """Ask for an address.

        Parameters
        ----------
        deadline_s : float
            Monotonic time at which the whole answer has to be there.

        Raises
        ------
        TransportError
            Of the subclass that says what to make of it.
        """
        pool = self._pool(address.origin)
        connection = pool.take()
        if connection is not None:
            try:
                return self._ask(connection, pool, address.target, deadline_s)
            except _StaleConnectionError:
                pass  # the host closed it while it was idle; the request was not looked at
        connection = pool.make(self._connect_timeout_s)
        try:
            connection.connect()
        except urllib3.exceptions.LocationValueError as error:
            raise PeerRefusedError(ErrorKind.ADDRESS, _describe(error)) from error
        except THIRD_PARTY_ERRORS as error:
            connection.close()
            raise ConnectError(kind_of(error), _describe(error)) from error
        self._reached.add(address.origin)
        try:
            return self._ask(connection, pool, address.target, deadline_s)
        except _StaleConnectionError as error:
            raise BrokenAnswerError(ErrorKind.CUT, error.message) from error

    def is_alone(self, origin: Origin, gate: HostGate) -> bool:
        """Whether an origin was never reached while others behind the same gate were.

        Then it is this host that is gone, and not the network.
        """
        return origin not in self._reached and gate.n_answers > 0

    def _pool(self, origin: Origin) -> _Pool:
        pool = self._pools.get(origin)
        if pool is None:
            may_be_private = self._allows_private or origin in self._named
            if origin.scheme == "https" and self._tls is None:
                self._tls = ssl.create_default_context()  # reads a hundred certificates
            pool = self._pools.setdefault(origin, _Pool(origin, may_be_private, self._tls))
        return pool

    def _ask(self, connection: Connection, pool: _Pool, target: str, deadline_s: float) -> Reply:
        watch = Watch(self._limits, self._clock, self._stop)
        watch.start(deadline_s)
        is_done = False
        try:
            connection.timeout = watch.slice_s
            limit_waiting(connection, watch.slice_s)
            answer = ask(connection, pool.request(target, self._headers), watch)
            reply = Reply(answer, connection, pool)
            is_done = True
        except (http.client.RemoteDisconnected, ConnectionError) as error:
            raise _StaleConnectionError(ErrorKind.CUT, _describe(error)) from error
        except THIRD_PARTY_ERRORS as error:
            raise BrokenAnswerError(kind_of(error), _describe(error)) from error
        finally:
            if not is_done:
                connection.close()
        return reply

    def close(self) -> None:
        """Close every idle connection; those under way end with their answers."""
        for pool in list(self._pools.values()):
            pool.close()


class _StaleConnectionError(TransportError):
    """The host closed the connection without a byte of an answer."""


def user_agent(contact: str | None) -> str:
    """Who we are, and where our owner is found: ``yfcc/1.0 (+https://…)``."""
    note = "".join(c for c in contact or "" if " " <= c <= "~" and c not in "()\\")
    return f"{PRODUCT}/{__version__} (+{note})" if note else f"{PRODUCT}/{__version__}"
