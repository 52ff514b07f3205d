"""deploy/nginx.conf in a real nginx before a real hub: nobody passes without the password, and what passes works."""

from __future__ import annotations

import asyncio
import os
import shutil
import ssl
import subprocess
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import aiohttp
import pytest
import trustme

from tests.support.fras import ROOT, School
from tests.support.running import free_port
from tests.support.site import API, jpeg, site_of

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
NAME = "fras.school.example"
PASSWORD = {"Authorization": "Basic " + b64encode(b"office:open sesame").decode()}

pytestmark = pytest.mark.skipif(NGINX is None, reason="there is no nginx here (requirements/apt.txt)")

AROUND = """\
{user}
pid {folder}/pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/fras.conf;
}}
"""


@dataclass(frozen=True)
class Proxy:
    """`plain` is its port without TLS; `tls` believes its certificate."""

    secure: int
    plain: int
    tls: ssl.SSLContext

    def client(self, *, coming_from: str = "127.0.0.1") -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            f"https://127.0.0.1:{self.secure}",
            headers={"Host": NAME},
            connector=aiohttp.TCPConnector(ssl=self.tls, local_addr=(coming_from, 0)),
        )


def written(folder: Path, hub: str, secure: int, plain: int, authority: trustme.CA) -> Path:
    """The shipped configuration; other is only what every school changes: files, ports, and its own network."""
    certificate = authority.issue_cert(NAME, "127.0.0.1")
    certificate.cert_chain_pems[0].write_to_path(str(folder / "fras.pem"))
    certificate.private_key_pem.write_to_path(str(folder / "fras.key"))
    text = (ROOT / "deploy/nginx.conf").read_text()
    for shipped, here in {
        "listen 443 ssl": f"listen 127.0.0.1:{secure} ssl",
        "listen 80": f"listen 127.0.0.1:{plain}",
        "/etc/ssl/certs/fras.pem": f"{folder}/fras.pem",
        "/etc/ssl/private/fras.key": f"{folder}/fras.key",
        "auth_basic_user_file /etc/nginx/fras.htpasswd": f"auth_basic_user_file {folder}/htpasswd",
        "allow 10.0.0.0/8": "allow 127.0.0.1",
        "proxy_pass http://127.0.0.1:8123": f"proxy_pass {hub.rstrip('/')}",
    }.items():
        assert shipped in text
        text = text.replace(shipped, here)
    (folder / "fras.conf").write_text(text)
    whole = folder / "nginx.conf"
    whole.write_text(AROUND.format(folder=folder, user="user root;" if os.geteuid() == 0 else ""))
    return whole


@asynccontextmanager
async def proxy(folder: Path, hub: str) -> AsyncIterator[Proxy]:
    authority = trustme.CA()
    secure, plain = free_port(), free_port()
    tls = ssl.create_default_context()
    authority.configure_trust(tls)
    configuration = written(folder, hub, secure, plain, authority)
    assert NGINX
    process = subprocess.Popen(
        [NGINX, "-p", folder, "-c", configuration, "-e", folder / "error.log", "-g", "daemon off;"]
    )
    try:
        for _ in range(200):
            assert process.poll() is None, (folder / "error.log").read_text()
            try:
                (await asyncio.open_connection("127.0.0.1", secure))[1].close()
                break
            except ConnectionRefusedError:
                await asyncio.sleep(0.05)
        yield Proxy(secure, plain, tls)
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait)


async def test_the_shipped_configuration(filmed: School, tmp_path: Path) -> None:
    folder = tmp_path / "nginx"
    folder.mkdir()
    async with site_of(filmed) as site, proxy(folder, site.address) as shipped:
        async with shipped.client(coming_from="127.0.0.2") as stranger:
            for path in ("/", f"{API}/people", f"{API}/openapi.json", "/nowhere"):
                async with stranger.get(path, headers=PASSWORD) as answer:
                    assert answer.status == 403, "outside of the school's network the password is not enough"
        async with shipped.client() as client:
            async with client.get("/", headers=PASSWORD) as answer:
                assert answer.status == 403, "before anybody has chosen a password"
            (folder / "htpasswd").write_text("office:{PLAIN}open sesame\n")
            for headers in ({}, {"Authorization": "Basic " + b64encode(b"office:guess").decode()}):
                async with client.get("/", headers=headers) as answer:
                    assert answer.status == 401
                async with client.post(f"{API}/cameras/push/frames", data=jpeg("ada"), headers=headers) as answer:
                    assert answer.status == 401
            async with client.get("/people", headers=PASSWORD) as answer:
                assert (answer.status, "ada" in (await answer.text()).lower()) == (200, True)
            sent = PASSWORD | {"Content-Type": "image/jpeg"}
            large = BytesIO(jpeg("ada") + bytes(3_000_000))  # nginx takes 1 MB unless it is told otherwise
            async with client.post(f"{API}/cameras/push/frames", data=large, headers=sent) as answer:
                assert answer.status == 202
            async with client.get(f"{API}/events", headers=PASSWORD) as events, asyncio.timeout(10):
                await site.send(jpeg("ada", shade=1))
                while not (await events.content.readline()).startswith(b"event: frame"):
                    pass  # comes while the answer is open, so nothing holds it back
        async with (
            aiohttp.ClientSession() as plain,
            plain.get(
                f"http://127.0.0.1:{shipped.plain}/people", headers={"Host": NAME}, allow_redirects=False
            ) as answer,
        ):
            assert (answer.status, answer.headers["Location"]) == (301, f"https://{NAME}/people")
