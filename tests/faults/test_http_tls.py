"""Servers that are not who they say."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

import pytest

from tests.fakes.certificates import write_certificate
from tests.fakes.fetching import QUICK, photo
from tests.fakes.pictures import jpeg, picture
from tests.fakes.scripted_server import Script, ScriptedServer, in_turn, reply
from yfcc.errors import SourceUnreachable
from yfcc.media.acquire import MediaClient
from yfcc.media.settings import FetchSettings
from yfcc.media.settle import Acquired
from yfcc.media.sink import BytesSink
from yfcc.model import Outcome


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Key and certificate for 127.0.0.1, signed by nobody but itself."""
    return write_certificate(tmp_path_factory.mktemp("tls") / "server.pem")


class TlsServer(ScriptedServer):
    """The scripted server behind TLS."""

    def __init__(self, script: Script, certificate: Path) -> None:
        super().__init__(script)
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(certificate)

    def wrap(self, sock: socket.socket) -> socket.socket:
        return self._tls.wrap_socket(sock, server_side=True)


def acquire_from(server: ScriptedServer, host: str = "127.0.0.1") -> Acquired:
    quick = QUICK | {"connect_timeout_s": 0.5}
    client = MediaClient(FetchSettings(s3_endpoint=f"https://{host}:{server.port}", **quick))
    try:
        return client.acquire(photo(), BytesSink())
    finally:
        client.close()


def test_a_certificate_that_nobody_vouches_for_is_not_trusted(certificate: Path) -> None:
    with TlsServer(in_turn(reply(jpeg())), certificate) as server:
        with pytest.raises(SourceUnreachable, match=r"127\.0\.0\.1"):
            acquire_from(server)
        assert server.requests == []


def test_a_trusted_certificate_for_another_host_is_not_enough(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with TlsServer(in_turn(reply(jpeg())), certificate) as server:
        with pytest.raises(SourceUnreachable):
            acquire_from(server, "localhost")
        assert server.requests == []


def test_a_trusted_certificate_for_the_host_is(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with TlsServer(in_turn(reply(jpeg())), certificate) as server:
        assert acquire_from(server).outcome is Outcome.STORED


def test_bytes_behind_a_body_end_an_encrypted_connection_too(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    # Larger than what is read ahead: what is left over waits, decrypted, in the TLS library.
    content = jpeg()[:2] + b"\xff\xfe\xf0\x02" + bytes(0xF000) + jpeg()[2:]
    answers = in_turn(reply(content) + reply(picture("GIF")), reply(content))
    with TlsServer(answers, certificate) as server:
        client = MediaClient(FetchSettings(s3_endpoint=f"https://127.0.0.1:{server.port}", **QUICK))
        for photo_id in (1, 2):
            sink = BytesSink()
            assert client.acquire(photo(photo_id), sink).outcome is Outcome.STORED
            assert bytes(sink.view()) == content
        client.close()
        assert (server.n_connections, len(server.requests)) == (2, 2)


def test_a_step_down_from_https_to_http_is_blocked(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    moved = reply(b"", 301, [("Location", "http://farm8.staticflickr.com/1.jpg")])
    with TlsServer(in_turn(moved), certificate) as server:
        found = acquire_from(server)
    assert found.outcome is Outcome.BLOCKED
    assert "down to http" in (found.last_error or "")


def test_plain_http_on_a_tls_port_is_no_connection() -> None:
    class Talkative(ScriptedServer):
        def wrap(self, sock: socket.socket) -> socket.socket:
            sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            return sock

    with Talkative(in_turn(reply(jpeg()))) as server, pytest.raises(SourceUnreachable):
        acquire_from(server)
