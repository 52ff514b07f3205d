"""Wrong keys, buckets, clocks, certificates, options: one line says what to fix. On rclone, which checks signatures."""

from __future__ import annotations

import asyncio
import ssl
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import botocore.auth
import pytest
import trustme
import voluptuous as vol

from hub.plugin import NeedsHuman, NotReady
from plugins.storage.s3 import fras_plugins
from plugins.storage.s3.bucket import connect
from plugins.storage.s3.options import Options
from tests.support.s3_servers import ACCESS_KEY, SECRET_KEY, FaultProxy, Server, fault_proxy, refused, until

from .conftest import Opener, Prober

WRONG = {
    "secret": ({"secret_key": "not-the-secret"}, "says that the secret key does not belong to the access key"),
    "key": ({"access_key": "NOBODY"}, "does not know the access key; check storage: access_key:"),
    "bucket": ({"bucket": "not-there"}, "there is no such bucket; create it, or correct storage: bucket:"),
    "ca_file": ({"ca_file": "nowhere.pem"}, "nowhere.pem is not there; correct storage: ca_file:"),
    "kms": ({"kms_key": "1"}, "kms_key is given without encryption: aws:kms; write both, or neither"),
}


@pytest.mark.parametrize("name", WRONG)
async def test_what_is_wrong_is_said_in_one_line(
    name: str, rclone_server: Server, bucket: str, probed: Prober, caplog: pytest.LogCaptureFixture
) -> None:
    rclone_server.make(bucket)
    options, says = WRONG[name]
    with pytest.raises(NeedsHuman, match=says) as said:
        await probed({**rclone_server.config(bucket), **options})
    assert "\n" not in str(said.value)
    for secret in ("not-the-secret", "a-secret-of-the-school", "NOBODY"):
        assert secret not in str(said.value) + caplog.text


async def test_a_wrong_secret_loses_nothing(rclone_server: Server, bucket: str, opened: Opener, eager: None) -> None:
    rclone_server.make(bucket)
    async with opened({**rclone_server.config(bucket), "secret_key": "wrong"}) as storage:
        await storage.put("a", b"x")
        with pytest.raises(NeedsHuman, match="check storage: secret_key:"):
            await storage.get("b")
    async with opened(rclone_server.config(bucket)) as storage:
        await until(lambda: "Contents" in rclone_server.client().list_objects_v2(Bucket=bucket))


async def test_a_clock_that_is_wrong(
    rclone_server: Server, bucket: str, probed: Prober, monkeypatch: pytest.MonkeyPatch
) -> None:
    rclone_server.make(bucket)
    right = botocore.auth.get_current_datetime

    def wrong(remove_tzinfo: bool = True) -> datetime:
        return right(remove_tzinfo) + timedelta(hours=2)

    monkeypatch.setattr(botocore.auth, "get_current_datetime", wrong)
    with pytest.raises(NeedsHuman, match=r"refuses this machine's clock.*; set the clock by network time"):
        await probed(rclone_server.config(bucket))


async def test_no_right_is_said_by_name(rclone_server: Server, bucket: str, probed: Prober) -> None:
    async with fault_proxy(rclone_server.endpoint) as proxy:
        await proxy.set(refused("403 Forbidden", "AccessDenied"))
        with pytest.raises(
            NeedsHuman, match=f"bucket {bucket} .*no right to do this, or the bucket is another account's"
        ):
            await probed(Server(proxy.endpoint).config(bucket))


async def test_certificates(rclone_server: Server, bucket: str, probed: Prober, tmp_path: Path) -> None:
    rclone_server.make(bucket)
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    for host, says in (("127.0.0.1", "is signed by nobody this machine trusts"), ("elsewhere.example", "another host")):
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert(host).configure_cert(tls)
        async with fault_proxy(rclone_server.endpoint, tls) as proxy:
            config = Server(proxy.endpoint).config(bucket)
            trusting = {**config, "ca_file": "ca.pem"}
            with pytest.raises(NeedsHuman, match=f"its certificate .*{says}"):
                await probed(config if host == "127.0.0.1" else trusting)
            if host == "127.0.0.1":
                found = await probed(trusting)
                assert "can be used; it keeps no versions; no lifecycle" in found


@pytest.mark.parametrize(("url", "says"), [("https", "no TLS there; check the port"), ("http", "not as S3|cuts")])
async def test_http_for_https_and_the_other_way(rclone_server: Server, probed: Prober, url: str, says: str) -> None:
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(tls)
    async with fault_proxy(rclone_server.endpoint, tls if url == "http" else None) as proxy:
        endpoint = f"{url}://{proxy.endpoint.partition('://')[2]}"
        with pytest.raises(NotReady, match=says):
            await probed(Server(endpoint).config("bucket"))


@pytest.mark.parametrize(
    "endpoint", ["https://minio.example:9000", "https://minio.example:9000/", "http://[::1]:9000/"]
)
def test_an_endpoint_with_and_without_slash(endpoint: str) -> None:
    assert _checked(endpoint=endpoint)["endpoint"] == endpoint.rstrip("/")


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"endpoint": "minio.example:9000"}, "begin it with https://"),
    ({"endpoint": "https://key:se@cret@minio.example"}, "a URL with credentials; write them at access_key"),
    ({"endpoint": "https://minio.example/bucket"}, "a URL with a path"),
    ({"endpoint": "https://minio.example:port"}, "not a URL"),
    ({"endpoint": "ftp://minio.example"}, "begin it with https://"),
    ({"bucket": "s3://crops"}, "not a bucket; write its name alone"),
    ({"bucket": "a"}, "not a bucket"),
    ({"region": "Frankfurt am Main"}, "not a region"),
    ({"prefix": "/a"}, "not a prefix"),
    ({"prefix": "a/../b"}, "not a prefix"),
    ({"encryption": "rot13"}, "AES256"),
    ({"links": "public"}, "direct"),
    ({"spool": "2"}, "not a size"),
    ({"owner": "me"}, "not an AWS account"),
]


@pytest.mark.parametrize(("options", "says"), REFUSED)
def test_options_that_are_none(options: dict[str, Any], says: str) -> None:
    with pytest.raises(vol.Invalid, match=says) as said:
        _checked(**options)
    assert "se@cret" not in str(said.value)


def _checked(**options: Any) -> dict[str, Any]:
    (spec,) = fras_plugins()
    given = {**Server("https://minio.example").config("crops"), **options}
    checked: dict[str, Any] = vol.Schema(dict(spec.config_schema))({k: v for k, v in given.items() if v is not None})
    return checked


async def test_credentials_of_the_machine_that_are_none(
    rclone_server: Server, bucket: str, probed: Prober, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = rclone_server.config(bucket)
    rclone_server.make(bucket)
    del config["access_key"], config["secret_key"]
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(NeedsHuman, match="there are no credentials; write storage: access_key: and secret_key:"):
        await probed(config)
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(NeedsHuman, match="AWS configuration says cannot be used; correct AWS_PROFILE"):
        await probed(config)
    monkeypatch.delenv("AWS_PROFILE")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    assert "can be used" in await probed(config)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "neither region nor endpoint is given"),
        ({"region": "eu-west-1", "access_key": "a"}, "of access_key and secret_key only one is given; write both, or"),
    ],
)
async def test_what_is_missing(probed: Prober, options: dict[str, str], says: str) -> None:
    with pytest.raises(NeedsHuman, match=says):
        await probed({"bucket": "crops", **options})


@pytest.mark.parametrize("place", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "config"])
def test_no_setting_of_the_machine_sends_pictures_elsewhere(
    place: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without `endpoint:` messages say that they are at AWS."""
    config = tmp_path / "config"
    config.write_text("[default]\nendpoint_url = https://elsewhere.example\n", "utf-8")
    monkeypatch.setenv(
        *(("AWS_CONFIG_FILE", str(config)) if place == "config" else (place, "https://elsewhere.example"))
    )
    given = {"bucket": "crops", "region": "eu-central-1", "links": "proxied", "spool": 1, "access_key": "a"}
    client = connect(Options.of({**given, "secret_key": "b"}, tmp_path))
    assert client.meta.endpoint_url == "https://s3.eu-central-1.amazonaws.com"


async def test_requests_tell_nothing_of_the_machine(rclone_server: Server, bucket: str, probed: Prober) -> None:
    heads: list[bytes] = []

    async def listen(_: FaultProxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))

    async with fault_proxy(rclone_server.endpoint) as proxy:
        await proxy.set(listen)
        with pytest.raises(NotReady):
            await probed(Server(proxy.endpoint).config(bucket))
    agents = {line for head in heads for line in head.split(b"\r\n") if line.lower().startswith(b"user-agent")}
    assert agents == {f"User-Agent: fras Botocore/{botocore.__version__}".encode()}
