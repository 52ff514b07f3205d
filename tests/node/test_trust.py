"""A hub is known by its key: with any other not a byte is sent after the handshake."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest
from aiohttp import ServerFingerprintMismatch
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st

from node.link import Phase
from node.trust import PinnedKey, public_key
from node.wire import Invitation
from tests.node.conftest import Rig
from tests.support.small_hub import Key


@dataclass
class Listener:
    """Counts what arrives inside of TLS."""

    port: int = 0
    handshakes: int = 0
    heard: bytes = b""


@asynccontextmanager
async def listening(context: ssl.SSLContext) -> AsyncIterator[Listener]:
    listener = Listener()
    served: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        served.add(task)
        listener.handshakes += 1
        try:
            while data := await reader.read(4096):
                listener.heard += data
        except OSError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    listener.port = server.sockets[0].getsockname()[1]
    try:
        yield listener
    finally:
        server.close()
        for task in served:
            task.cancel()
        await asyncio.gather(*served, return_exceptions=True)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(server.wait_closed(), 1)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_nothing_is_sent_to_another_key(rig: Rig, folder: Path, version: ssl.TLSVersion) -> None:
    key = Key(folder)
    key.context.minimum_version = key.context.maximum_version = version
    async with listening(key.context) as listener:
        rig.link.invite(Invitation("127.0.0.1", listener.port, bytes(16), bytes(32), b"\1" * 32))
        await rig.eventually(lambda: listener.handshakes >= 3)
        assert "another key" in rig.link.problem
        assert listener.heard == b""
        assert rig.link.phase in (Phase.NO_HUB, Phase.NO_NETWORK)


@pytest.mark.parametrize("which", [0, 1])
async def test_either_pin_will_do(rig: Rig, folder: Path, which: int) -> None:
    key = Key(folder)
    pins = [b"\1" * 32, b"\1" * 32]
    pins[which] = key.pin
    async with listening(key.context) as listener:
        rig.link.invite(Invitation("127.0.0.1", listener.port, b"T" * 16, *pins))
        await rig.eventually(lambda: listener.heard)
        assert listener.heard.startswith(b"GET /node/v1 HTTP/1.1")
        assert b"T" * 16 not in listener.heard, "a token in a header or URL"


async def test_without_tls_nothing_is_sent(rig: Rig) -> None:
    heard = b""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal heard
        heard += await reader.read(4096)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    rig.link.invite(Invitation("127.0.0.1", port, bytes(16), bytes(32), b"\1" * 32))
    await rig.eventually(lambda: heard and rig.link.problem)
    server.close()
    assert b"GET" not in heard


class TestPublicKey:
    @pytest.mark.parametrize("length", [1024, 4096])
    def test_rsa(self, length: int) -> None:
        key = rsa.generate_private_key(65537, length)
        assert public_key(certificate(key)) == info(key)

    def test_ed25519(self) -> None:
        key = ed25519.Ed25519PrivateKey.generate()
        assert public_key(certificate(key)) == info(key)

    def test_p256(self, folder: Path) -> None:
        key = Key(folder)
        assert public_key(key.certificate) == key.info
        assert sha256(public_key(key.certificate)).digest() == key.pin

    @given(cut=st.integers(0, 10_000), at=st.integers(0, 10_000), value=st.integers(0, 255))
    def test_what_is_no_certificate_is_refused(self, cut: int, at: int, value: int) -> None:
        broken = bytearray(CERTIFICATE[: cut % len(CERTIFICATE)])
        if broken:
            broken[at % len(broken)] = value
        with contextlib.suppress(ValueError):
            assert len(public_key(bytes(broken))) <= len(broken)

    def test_no_certificate_at_all(self) -> None:
        class Bare(asyncio.Transport):
            def get_extra_info(self, name: str, default: object = None) -> object:
                return default

        with pytest.raises(ServerFingerprintMismatch):
            PinnedKey([bytes(32)]).check(Bare())


def certificate(key: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey) -> bytes:
    from datetime import datetime

    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "hub")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(datetime(2020, 1, 1)).not_valid_after(datetime(2060, 1, 1))  # noqa: DTZ001
    made = builder.sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256())
    return made.public_bytes(serialization.Encoding.DER)


def info(key: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


CERTIFICATE = certificate(ed25519.Ed25519PrivateKey.generate())
