"""TLS to a PostgreSQL server: whom it lets the hub speak to, and what each mistake is called."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import trustme

from hub.db.engine import open_database
from hub.db.errors import DatabaseError
from hub.ground import look_at_database
from tests.support import postgres
from tests.support.postgres import Server


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def server(authority: trustme.CA) -> Iterator[Server]:
    """Speaks TLS as localhost, and without TLS to whoever comes from this machine."""
    made = Server(programs=postgres.with_tls())
    certificate = authority.issue_cert("localhost")
    pem, key = made.folder / "server.pem", made.folder / "server.key"
    certificate.cert_chain_pems[0].write_to_path(pem)
    certificate.private_key_pem.write_to_path(key)
    key.chmod(0o600)
    if made.user:
        shutil.chown(key, made.user)
    (made.folder / "data/pg_hba.conf").write_text("local all all trust\nhost all all samehost trust\n")
    made.stop()
    made.options += ["-c", "ssl=on", "-c", f"ssl_cert_file={pem}", "-c", f"ssl_key_file={key}"]
    made.options += ["-c", "listen_addresses=*"]
    made.start()
    try:
        yield made
    finally:
        made.remove()


@pytest.fixture
def trusting(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub's machine knows the authority that signed the server's certificate."""
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    monkeypatch.setenv("PGSSLROOTCERT", str(tmp_path / "authority.pem"))


def url_of(server: Server, ssl: str, host: str = "localhost") -> str:
    return f"postgresql://fras@{host}:{server.port}/postgres?{ssl}"


async def problem(url: str) -> str:
    """What the one line says that opening it ends with."""
    with pytest.raises(DatabaseError) as said:
        async with open_database(url):
            pass
    assert "\n" not in str(said.value)
    assert said.value.hint
    return str(said.value)


@pytest.mark.usefixtures("trusting")
@pytest.mark.parametrize("ssl", ["ssl=verify-full", "sslmode=verify-full", "ssl=require", ""])
async def test_a_school_behind_tls(server: Server, ssl: str) -> None:
    async with open_database(url_of(server, ssl)) as database, database.read() as connection:
        query = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
        assert (await connection.exec_driver_sql(query)).scalar_one()
    assert "without TLS" not in await look_at_database(url_of(server, ssl))


async def test_a_certificate_of_another_authority(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trustme.CA().cert_pem.write_to_path(tmp_path / "another.pem")
    monkeypatch.setenv("PGSSLROOTCERT", str(tmp_path / "another.pem"))
    said = await problem(url_of(server, "ssl=verify-full"))
    assert "is not to be trusted: " in said
    assert "put the certificate of the authority" in said


@pytest.mark.usefixtures("trusting")
async def test_a_certificate_for_another_name(server: Server) -> None:
    said = await problem(url_of(server, "ssl=verify-full", "127.0.0.1"))
    assert "is not to be trusted: IP address mismatch, certificate is not valid for '127.0.0.1'; write the host" in said


async def test_no_authority_that_could_have_signed_it(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    said = await problem(url_of(server, "ssl=verify-full"))
    assert f'root certificate file "{tmp_path}/.postgresql/root.crt" does not exist' in said
    assert "put the certificate of the authority" in said
    monkeypatch.setenv("PGSSLROOTCERT", str(tmp_path / "missing.pem"))
    said = await problem(url_of(server, "ssl=verify-full"))
    assert f"there is no certificate {tmp_path}/missing.pem, as the environment's PGSSLROOTCERT says" in said


@pytest.mark.parametrize("ssl", ["require", "verify-full"])
@pytest.mark.usefixtures("trusting")
async def test_a_server_without_tls_where_it_is_asked_for(ssl: str) -> None:
    said = await problem(f"{postgres.server().dsn('postgres')}?ssl={ssl}")
    assert "does not speak TLS; give it a certificate and ssl = on" in said


async def test_check_says_what_goes_over_a_network_without_tls(server: Server) -> None:
    assert "without TLS" not in await look_at_database(url_of(server, "ssl=disable"))
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as way:
        try:
            way.connect(("198.51.100.1", 9))  # sends nothing; says which address would
        except OSError:
            pytest.skip("this machine has no address but the loopback's")
        host = way.getsockname()[0]
    async with open_database(url_of(server, "ssl=disable", host)):
        pass
    assert "without TLS; write ?ssl=verify-full" in await look_at_database(url_of(server, "ssl=disable", host))
    assert "without TLS" not in await look_at_database(url_of(server, "ssl=require", host))
