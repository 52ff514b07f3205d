"""`fras check --connect` with services wrong in the ways school IT gets them wrong: a line each, with the fix."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from aiohttp import web

from config import Invalid
from hub.app import Paths
from hub.connecting import Tried, try_services
from hub.runtime.catalog import Catalog
from hub.runtime.tasks import Abandoned
from hub.settings import read_settings
from tests.plugins.cameras.http_snapshot.conftest import WebCamera
from tests.plugins.cameras.http_snapshot.conftest import serving as web_camera
from tests.support.azure import FakeAzure, faults
from tests.support.azure import serving as azure_face
from tests.support.azure.server import KEY
from tests.support.rtsp_server import answering, garbage, misbehaving
from tests.support.s3_servers import ACCESS_KEY, SECRET_KEY, FaultProxy, Server, fault_proxy, rclone, refused

PASSWORD = "p@ss:w/rd"
TOKEN = "9KJ2hQxTpQ7sLmA"
SECRETS = (KEY, SECRET_KEY, PASSWORD, "p%40ss", TOKEN)
REST = """\
hub: {{name: Test School, time_zone: Europe/Berlin{database}}}
recognizer: {recognizer}
storage: {storage}
cameras: {cameras}
"""


async def tried(folder: Path, **sections: object) -> dict[str, Tried]:
    """What is found with these sections of hub.yaml; all in a line, with a next step, and no secret."""
    written = {"recognizer": {"platform": "onnx_local"}, "storage": {"platform": "local_disk"}, "cameras": []}
    database = sections.pop("database", "")
    yaml = {name: json.dumps(section) for name, section in (written | sections).items()}
    paths = Paths.of(folder / "hub.yaml", None)
    paths.config.write_text(REST.format(database=f', database: "{database}"' if database else "", **yaml), "utf-8")
    catalog = Catalog()
    found = await try_services(read_settings(paths.config, catalog), catalog, paths, Abandoned(), patience=60)
    for one in found:
        assert one.works or one.hint, one
        assert not any(secret in one.message + one.hint for secret in SECRETS)
        assert "\n" not in one.message + one.hint
        assert "fault of the plugin" not in one.message
    return {one.service: one for one in found}


@pytest.fixture
async def azure() -> AsyncIterator[FakeAzure]:
    async with azure_face() as fake:
        yield fake


@pytest.fixture(scope="module")
def buckets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("buckets")
    (folder / "crops").mkdir()
    with rclone(folder) as server:
        yield server


@pytest.fixture
async def proxy(buckets: Server) -> AsyncIterator[FaultProxy]:
    async with fault_proxy(buckets.endpoint) as between:
        yield between


async def azure_says(folder: Path, fake: FakeAzure, **options: object) -> Tried:
    section = {"platform": "azure_face", "endpoint": fake.endpoint, "key": KEY, "group": "school", **options}
    section = {name: value for name, value in section.items() if value is not None}
    return (await tried(folder, recognizer=section))["recognizer"]


REFUSALS = [
    ("NotFound", 404, "there is no Face service behind recognizer->endpoint", "copy the endpoint from the portal"),
    ("AuthenticationTypeDisabled", 403, "takes no keys", "write recognizer->entra instead of key"),
    ("PermissionDenied", 401, "forbids this", "look at the resource"),
    ("BadArgument", 400, "refused: BadArgument", "look at the resource"),
]


def refusing(code: str, status: int) -> faults.Fault:
    async def fault(request: web.Request) -> web.StreamResponse | None:
        return web.json_response({"error": {"code": code, "message": "Something."}}, status=status)

    return fault


async def test_azure_face(tmp_path: Path, azure: FakeAzure) -> None:
    for endpoint in (azure.endpoint, f"{azure.endpoint}/", f"{azure.endpoint}/face/v1.2/"):
        found = await azure_says(tmp_path, azure, endpoint=endpoint)
        assert found.works
        assert found.message.startswith("may identify; the large person group school will be made")
    found = await azure_says(tmp_path, azure, key="of-another-resource")
    assert (found.works, found.message) == (False, "Azure Face does not accept the key")
    assert "copy KEY 1 and the endpoint from the same resource" in found.hint
    for code, status, message, hint in REFUSALS:
        azure.fault = refusing(code, status)
        found = await azure_says(tmp_path, azure)
        assert (message in found.message, hint in found.hint) == (True, True), found
    azure.fault = None
    azure.approved = False
    found = await azure_says(tmp_path, azure)
    assert "no approval for identification" in found.message
    assert "aka.ms/facerecognition" in found.hint
    azure.fault = faults.elsewhere
    found = await azure_says(tmp_path, azure)
    assert found.message == "there is no Face service behind recognizer->endpoint (HTTP 302)"
    entra = {"tenant": "t", "client_id": "c", "client_secret": PASSWORD}
    region = "https://westeurope.api.cognitive.microsoft.com/"
    with pytest.raises(Invalid) as wrong:
        await azure_says(tmp_path, azure, endpoint=region, key=None, entra=entra)
    (problem,) = wrong.value.problems
    assert problem.message.endswith("Azure takes no Entra token at an endpoint that a region shares")
    assert "https://NAME.cognitiveservices.azure.com" in problem.hint
    with pytest.raises(Invalid, match=r"hub\.yaml, line 2: .*Azure Face needs a key or an Entra application"):
        await azure_says(tmp_path, azure, key=None)


async def s3_says(folder: Path, endpoint: str, **options: object) -> Tried:
    section = {"platform": "s3", **Server(endpoint).config("crops"), **options}
    return (await tried(folder, storage=section))["storage"]


MOVED = refused("301 Moved Permanently", "PermanentRedirect", "x-amz-bucket-region: eu-west-3")


async def test_s3(tmp_path: Path, buckets: Server, proxy: FaultProxy) -> None:
    for endpoint in (buckets.endpoint, f"{buckets.endpoint}/"):
        assert "bucket crops at 127.0.0.1" in (await s3_says(tmp_path, endpoint)).message
        assert (await s3_says(tmp_path, endpoint)).works
    found = await s3_says(tmp_path, buckets.endpoint, secret_key=PASSWORD)
    assert "says that the secret key does not belong to the access key" in found.message
    assert found.hint == "check storage: secret_key:"
    found = await s3_says(tmp_path, buckets.endpoint, access_key="NOBODY")
    assert (found.hint, ACCESS_KEY in found.message) == ("check storage: access_key:", False)
    found = await s3_says(tmp_path, buckets.endpoint, bucket="not-there")
    assert "there is no such bucket" in found.message
    await proxy.set(refused("403 Forbidden", "AccessDenied"))
    found = await s3_says(tmp_path, proxy.endpoint)
    assert "no right to do this, or the bucket is another account's" in found.message
    assert "storage: bucket: with what you own" in found.hint
    await proxy.set(refused("404 Not Found", "NoSuchKey"))
    found = await s3_says(tmp_path, proxy.endpoint)
    assert "the name is taken for an object in another bucket" in found.message
    assert "leave the bucket out of storage: endpoint:" in found.hint
    await proxy.set(refused("503 Slow Down", "SlowDown"))
    assert "then try again" in (await s3_says(tmp_path, proxy.endpoint)).hint
    await proxy.set(MOVED)
    found = await s3_says(tmp_path, proxy.endpoint)
    assert "is in the region eu-west-3" in found.message
    assert found.hint == "correct storage: region:"
    await proxy.set(None)
    assert "cannot be reached" in (await s3_says(tmp_path, proxy.endpoint)).message


async def test_cameras_and_their_passwords(tmp_path: Path) -> None:
    async with (
        misbehaving(garbage) as nonsense,
        misbehaving(answering("401 Unauthorized")) as closed,
        web_camera(WebCamera()) as address,
    ):
        host = address.removeprefix("http://")
        urls = {
            "garbage": f"rtsp://admin:{PASSWORD}@127.0.0.1:{nonsense}/live",
            "closed": f"rtsp://admin:{PASSWORD}@127.0.0.1:{closed}/live",
            "token": f"rtsps://127.0.0.1:1/{TOKEN}?enableSrtp",
            "nobody": f"rtsp://admin:{PASSWORD}@127.0.0.1:1/live?pwd={PASSWORD.replace('@', '')}",
            "works": f"http://admin:{PASSWORD}@{host}/open.jpg",
            "login": f"http://admin:{PASSWORD}@{host}/basic.jpg",
            "page": f"http://{host}/page.jpg",
        }
        found = await tried(
            tmp_path,
            cameras=[
                {"platform": "rtsp" if url.startswith("rtsp") else "http_snapshot", "id": name, "room": "1", "url": url,
                 "timeout": "3 s"}
                for name, url in urls.items()
            ],
        )  # fmt: skip
        said = {name: found[f"camera {name}"] for name in urls}
        assert said["garbage"].message.startswith(f"rtsp://127.0.0.1:{nonsense}/… ")
        assert said["closed"].message == f"rtsp://127.0.0.1:{closed}/… does not accept user and password"
        assert said["nobody"].message == "rtsp://127.0.0.1:1/… refuses the connection"
        assert said["token"].message == "rtsps://127.0.0.1:1/… refuses the connection"
        assert said["works"].works
        assert said["login"].message == f"http://{host}/… does not accept user and password"
        assert "answers with text/html, not with a JPEG" in said["page"].message
        assert [one.works for one in said.values()].count(True) == 1


@pytest.mark.parametrize(
    ("password", "says"),
    [("p%40ss", "127.0.0.1"), ("p@ss", "not a database URL"), ("p@s:s", "not a database URL")],
)
async def test_a_database_server_with_an_at_sign_in_its_password(tmp_path: Path, password: str, says: str) -> None:
    found = (await tried(tmp_path, database=f"postgresql://fras:{password}@127.0.0.1:1/fras"))["database"]
    assert not found.works
    assert says in found.message
    assert "s@" not in found.message + found.hint
    assert ("%40 for an @" in found.hint) == ("@" in password)


async def database_says(folder: Path, url: str) -> Tried:
    return (await tried(folder, database=url))["database"]


async def test_a_database_url_that_leads_nowhere(tmp_path: Path) -> None:
    found = await database_says(tmp_path, "postgresql://fras@127.0.0.1:99999/fras")
    assert found.message == "that is not a database URL"
    found = await database_says(tmp_path, f"sqlite:///{tmp_path}")
    assert (found.message, found.hint) == (f"{tmp_path} is a folder", "name a file at hub->database")
    found = await database_says(tmp_path, f"sqlite:///{tmp_path}/hub.yaml/fras.db")
    assert found.message == f"{tmp_path}/hub.yaml/fras.db cannot be made: {tmp_path}/hub.yaml is a file"
    assert (await database_says(tmp_path, f"sqlite:///{tmp_path}/new/folder/fras.db")).works
