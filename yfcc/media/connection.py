"""Connections that look at whom they reached."""

from __future__ import annotations

import http.client
import socket
import ssl
import struct

import urllib3.connection

from yfcc.media.address import is_public_address
from yfcc.media.answer import Answer
from yfcc.media.attempt import ErrorKind, PeerRefusedError
from yfcc.media.watch import Watch


def _check_peer(sock: socket.socket, host: str) -> None:
    """Refuse a connection that leads into this machine or its private network.

    What counts is the address that was reached, not the name: names resolve to what their
    owner wants, each time anew.
    """
    peer = str(sock.getpeername()[0])
    if not is_public_address(peer):
        sock.close()
        raise PeerRefusedError(ErrorKind.ADDRESS, f"{host} is at {peer}, no public address")


class PlainConnection(urllib3.connection.HTTPConnection):
    """Unencrypted; ``may_be_private`` for hosts that the user named."""

    may_be_private = False

    def _new_conn(self) -> socket.socket:
        sock = super()._new_conn()
        if not self.may_be_private:
            _check_peer(sock, self.host)
        return sock


class TlsConnection(urllib3.connection.HTTPSConnection):
    """Encrypted; the peer is looked at before the first byte is sent."""

    may_be_private = False

    def _new_conn(self) -> socket.socket:
        sock = super()._new_conn()
        if not self.may_be_private:
            _check_peer(sock, self.host)
        return sock


Connection = PlainConnection | TlsConnection


def limit_waiting(connection: Connection, wait_s: float) -> None:
    """Have no call on a connection's socket wait longer than that.

    Left to the system where there is no TLS: Python's own way asks it before every read and
    write whether there is anything to do, another call each time.
    """
    sock = connection.sock
    if sock is None:
        return
    if isinstance(sock, ssl.SSLSocket):
        sock.settimeout(wait_s)
    elif sock.gettimeout() is not None:  # else it is done already
        sock.settimeout(None)
        moment = struct.pack("ll", int(wait_s), int(wait_s % 1.0 * 1e6))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, moment)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, moment)


def is_idle(connection: Connection) -> bool:
    """Whether a connection is alive and has no bytes on it that nobody asked for."""
    sock = connection.sock
    if sock is None:
        return False
    if isinstance(sock, ssl.SSLSocket):
        return connection.is_connected and not sock.pending()  # decrypted, and not read
    try:
        sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False


def ask(connection: Connection, request: bytes, watch: Watch) -> Answer:
    """Send a request and read its answer's headers.

    urllib3's and ``http.client``'s own ways take the request in pieces and wrap the answer for
    decoding, redirects and caching: none of that is wanted here, and it costs as much as all
    the rest of a request.
    """
    sock = connection.sock
    if sock is None:
        raise http.client.NotConnected
    sock.sendall(request)
    answer = Answer(sock, watch=watch, method="GET")
    try:
        answer.begin()
    except BaseException:
        answer.close()
        raise
    return answer
