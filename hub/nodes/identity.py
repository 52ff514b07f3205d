"""The key by which nodes know this hub, and the next one: made at first use, in the data folder, for its owner alone.

Nodes pin keys, so the certificate that TLS wants around one says nothing and lasts for ever.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from hub.failure import Failure

FOLDER = "nodes"
"""The folder's name in the data folder."""
PRESENT, NEXT, NEXT_PIN, RETIRED = "key.pem", "backup.pem", "backup.pin", "retired.pins"
"""Each `.pem` holds a private key and its certificate. Until the next key is switched to only its pin is needed. The
pins of keys that were given up stay: no restore goes back to one."""


@dataclass(frozen=True, slots=True)
class Identity:
    """`pin` and `backup`: SHA-256 of the DER SubjectPublicKeyInfo of the present key and of the next."""

    folder: Path
    pin: bytes
    backup: bytes

    def tls(self) -> ssl.SSLContext:
        """What the listener speaks. Raises Failure."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_cert_chain(self.folder / PRESENT)
        except (OSError, ssl.SSLError) as error:
            raise _unusable(self.folder / PRESENT, error) from None
        return context


def open_identity(data: Path) -> Identity:
    """The keys in the data folder; what is missing is made. Raises Failure."""
    folder = data / FOLDER
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _alone(folder):
            if not (folder / PRESENT).exists():
                _keep(folder / PRESENT, _new_key())
            pin = pin_of(folder / PRESENT)
            if not (folder / NEXT_PIN).exists() or bytes.fromhex((folder / NEXT_PIN).read_text("ascii")) == pin:
                _make_next(folder)
            return Identity(folder, pin, bytes.fromhex((folder / NEXT_PIN).read_text("ascii")))
    except (OSError, ValueError) as error:
        raise _unusable(folder, error) from None


def switch(data: Path) -> Identity:
    """Makes the next key the present one, and another the next. Raises Failure."""
    identity = open_identity(data)
    spare = identity.folder / NEXT
    if not spare.exists():
        raise Failure(
            f"the next key is not in {spare}", hint="put it back there; if it is lost, every node must be paired anew"
        )
    try:
        if pin_of(spare) != identity.backup:
            raise Failure(f"{spare} is not the key that nodes expect", hint="put back the one that was there")
        retired = _retired(identity.folder)
        _keep(identity.folder / RETIRED, "".join(f"{pin}\n" for pin in (*retired, identity.pin.hex())).encode())
        spare.replace(identity.folder / PRESENT)  # from here on open_identity makes the rest again, should we be killed
        _sync(identity.folder)
    except (OSError, ValueError) as error:
        raise _unusable(spare, error) from None
    return open_identity(data)


def kept(data: Path) -> dict[str, bytes]:
    """What a backup holds of the keys, by name; nothing where there are none yet. Raises Failure."""
    folder = data / FOLDER
    if not folder.is_dir():
        return {}
    try:
        with _alone(folder):
            there = (folder / name for name in (PRESENT, NEXT, NEXT_PIN, RETIRED))
            return {file.name: file.read_bytes() for file in there if file.exists()}
    except OSError as error:
        raise _unusable(folder, error) from None


def outlives(here: Path, backup: Path) -> bool:
    """Whether a restored hub goes on with the keys in the folder `here`, and not with those in `backup`.

    That is where nodes may have learnt them since: where they are the same, or the backup's was given up for them.
    Otherwise they are of a hub that these nodes never met. Raises Failure for a backup whose key is none.
    """
    if not ((here / PRESENT).exists() and (backup / PRESENT).exists()):
        return (here / PRESENT).exists()
    try:
        pin = pin_of(backup / PRESENT)
    except (OSError, ValueError) as error:
        raise _unusable(backup / PRESENT, error) from None
    try:
        return pin == pin_of(here / PRESENT) or pin.hex() in _retired(here)
    except (OSError, ValueError):
        return False


def pin_of(file: Path) -> bytes:
    """SHA-256 of the public key in a file. Raises OSError, ValueError."""
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    return _pin(load_pem_private_key(file.read_bytes(), password=None).public_key())


def _pin(public: object) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    der: bytes = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined]
    return hashlib.sha256(der).digest()


def _make_next(folder: Path) -> None:
    """Key before pin: a pin without its key would be of no use."""
    _keep(folder / NEXT, _new_key())
    _keep(folder / NEXT_PIN, pin_of(folder / NEXT).hex().encode())


def _retired(folder: Path) -> list[str]:
    file = folder / RETIRED
    return file.read_text("ascii").split() if file.exists() else []


def _new_key() -> bytes:
    """A P-256 key and a certificate around it, as PEM."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "FRAS hub for nodes")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime(2000, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(9999, 12, 31, tzinfo=UTC))
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return private + certificate.public_bytes(Encoding.PEM)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keeps a command and a running hub from making keys at once."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _keep(file: Path, data: bytes) -> None:
    """Writes a file that appears whole and stays."""
    beside = file.with_name(f".{file.name}")
    beside.unlink(missing_ok=True)
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(handle, "wb") as stream:  # noqa: PTH123
        stream.write(data)
        stream.flush()
        os.fsync(handle)
    beside.replace(file)
    _sync(file.parent)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _unusable(what: Path, error: Exception) -> Failure:
    reason = (error.strerror if isinstance(error, OSError) else None) or "it holds no key"
    return Failure(
        f"the keys for nodes in {what} cannot be used: {reason}",
        hint="look at the rights there; a lost key comes back from a backup of the data folder, else pair nodes anew",
    )
