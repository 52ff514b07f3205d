"""Whom the node talks to: a hub is known by its key, whatever its certificate says."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from hashlib import sha256

from aiohttp import Fingerprint, ServerFingerprintMismatch

_SEQUENCE = 0x30
_VERSION = 0xA0


class PinnedKey(Fingerprint):
    """For `ssl=` of aiohttp: TLS with whoever has one of the pinned keys. Checked before anything is sent.

    A pin is the SHA-256 of a DER SubjectPublicKeyInfo (as in RFC 7469), so a certificate may be issued anew. `met` is
    the pin of the key that was checked last and fitted.
    """

    def __init__(self, pins: Collection[bytes]) -> None:
        super().__init__(next(iter(pins)))
        self._pins = frozenset(pins)
        self.met = b""

    def check(self, transport: asyncio.Transport) -> None:
        """Raises ServerFingerprintMismatch."""
        session = transport.get_extra_info("ssl_object")
        certificate = session.getpeercert(binary_form=True) if session is not None else b""
        try:
            pin = sha256(public_key(certificate or b"")).digest()
        except ValueError:
            pin = b""
        if pin not in self._pins:
            host, port, *_ = transport.get_extra_info("peername") or ("", 0)
            raise ServerFingerprintMismatch(self.fingerprint, pin, host, port)
        self.met = pin


def public_key(certificate: bytes) -> bytes:
    """The DER SubjectPublicKeyInfo of a DER certificate (RFC 5280, 4.1). Raises ValueError."""
    outer, _ = _inside(certificate, 0, len(certificate))
    inner, end = _inside(certificate, outer, len(certificate))
    at = inner
    if certificate[at : at + 1] == bytes([_VERSION]):
        at = _after(certificate, at, end)
    for _ in ("serial number", "signature", "issuer", "validity", "subject"):
        at = _after(certificate, at, end)
    _inside(certificate, at, end)
    return certificate[at : _after(certificate, at, end)]


def _inside(data: bytes, at: int, end: int) -> tuple[int, int]:
    """Where the content of the sequence at `at` starts and ends."""
    if data[at : at + 1] != bytes([_SEQUENCE]):
        raise ValueError("no certificate")
    return _span(data, at, end)


def _after(data: bytes, at: int, end: int) -> int:
    return _span(data, at, end)[1]


def _span(data: bytes, at: int, end: int) -> tuple[int, int]:
    """Start and end of the content of the element at `at` (DER: one byte of type, then the length)."""
    head = data[at : at + 2]
    if len(head) < 2:
        raise ValueError("no certificate")
    start, length = at + 2, head[1]
    if length & 0x80:
        digits = length & 0x7F
        if not 1 <= digits <= 4:
            raise ValueError("no certificate")
        length = int.from_bytes(data[start : start + digits], "big")
        start += digits
    if start + length > end:
        raise ValueError("no certificate")
    return start, start + length
