"""What an administrator reads where the configuration, the resource or its approval is wrong; and `probe`."""

from __future__ import annotations

import json
import logging
import re
import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme
import voluptuous as vol

from hub.plugin import NeedsHuman, NotReady
from hub.plugin.testing import make_context
from plugins.recognizers.azure_face import CONFIG_SCHEMA, probe
from plugins.recognizers.azure_face.breaker import FIRST_REST
from plugins.recognizers.azure_face.endpoint import cloud_of, origin
from plugins.recognizers.azure_face.spending import FILE
from tests.support.azure import FakeAzure, crop, faults, serving
from tests.support.azure.client import ManualClock, emptied, opened, settings, trained
from tests.support.azure.gallery import Group, Person
from tests.support.azure.server import CLIENT, KEY, SECRET, TENANT

OUR = "https://our-face.cognitiveservices.azure.com"


def entra(fake: FakeAzure, **more: str) -> dict[str, Any]:
    application = {"tenant": TENANT, "client_id": CLIENT, "client_secret": SECRET, "login": fake.endpoint}
    return {"key": None, "entra": application | more}


@pytest.mark.parametrize(
    "written",
    [
        OUR,
        f"{OUR}/",
        f"{OUR}//",
        f" {OUR}/face ",
        f"{OUR}/face/v1.2/",
        f"{OUR}/face/v1.0",
        f"{OUR.upper().replace('HTTPS', 'https')}:443".removesuffix(":443"),
    ],
)
def test_an_endpoint_with_and_without_slash(written: str) -> None:
    assert origin(written) == OUR


def test_regional_private_and_local_endpoints() -> None:
    assert origin("https://westeurope.api.cognitive.microsoft.com/") == "https://westeurope.api.cognitive.microsoft.com"
    assert origin("https://face.school.example:8443/") == "https://face.school.example:8443"
    assert origin("http://[::1]:80/") == "http://[::1]:80"
    assert cloud_of("https://x.cognitiveservices.azure.us").login == "https://login.microsoftonline.us"
    assert cloud_of("https://x.cognitiveservices.azure.cn").scope == "https://cognitiveservices.azure.cn/.default"
    assert cloud_of("https://face.school.example").login == "https://login.microsoftonline.com"


@pytest.mark.parametrize(
    "wrong",
    [
        None, 7, "", "our-face.cognitiveservices.azure.com", "ftp://our-face.cognitiveservices.azure.com",
        "http://our-face.cognitiveservices.azure.com", f"{OUR}/face/v1.2/detect?x=1", f"{OUR}/other", f"{OUR}#top",
        f"{OUR}?key=hunter2", "https://admin:hunter2@our-face.cognitiveservices.azure.com", "https://", "https:///face",
        "https://our face/", "https://our-face:99999/", "https://[::1", "http://127.0.0.1.evil.example",
        "https://münchen/",
    ],
)  # fmt: skip
def test_what_is_no_endpoint_is_said_without_quoting_it(wrong: object) -> None:
    with pytest.raises(vol.ValueInvalid) as refused:
        origin(wrong)
    assert "hunter2" not in str(refused.value)
    assert ";" in str(refused.value), "a next step"


def test_key_or_application_but_not_both() -> None:
    entry = {"tenant": "t", "client_id": "c", "client_secret": "s"}
    with pytest.raises(vol.Invalid):
        vol.Schema(CONFIG_SCHEMA)({"endpoint": OUR, "group": "g", "key": "k", "entra": entry})
    for wrong in ({"group": "With Space"}, {"group": "x" * 65}, {"tier": "S9"}, {"together": 11}, {"monthly_cap": 0}):
        with pytest.raises(vol.Invalid):
            vol.Schema(CONFIG_SCHEMA)({"endpoint": OUR, "group": "g", "key": "k"} | wrong)


async def test_neither_is_said(tmp_path: Path) -> None:
    with pytest.raises(NeedsHuman, match="needs a key or an Entra application"):
        async with opened(tmp_path, OUR, key=None):
            pytest.fail("opened")


async def test_a_resource_without_limited_access(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    said = r"no approval for identification.*aka\.ms/facerecognition.*onnx_local"
    async with serving() as fake:
        fake.approved = False
        async with opened(tmp_path, fake.endpoint) as (recogniser, context):
            assert re.search(said, caplog.text)
            assert "no approval for identification" in context.said[-1]
            for call in (recogniser.identify([crop("ada")]), recogniser.enrol("ada", [crop("ada")])):
                with pytest.raises(NeedsHuman, match=said):
                    await call
            assert await recogniser.people() == []
            fake.approved = True
            await context.clock.sleep(FIRST_REST)
            assert await recogniser.enrol("ada", [crop("ada")]) == [""]
            assert context.said[-1] == ""


async def test_an_approval_that_ended_leaves_nobody_behind(tmp_path: Path) -> None:
    async with serving() as fake:
        async with opened(tmp_path, fake.endpoint) as (recogniser, _):
            for person in ("ada", "bob"):
                await recogniser.enrol(person, [crop(person)])
            await recogniser.identify([crop("ada")])
        fake.approved = False
        group = fake.gallery.groups["school"]
        async with opened(tmp_path, fake.endpoint) as (recogniser, _):
            assert await recogniser.people() == ["ada", "bob"]
            await recogniser.forget("ada")
            assert [person.data for person in group.people.values()] == ["fras:bob"]
            await trained(tmp_path)
            assert group.model_of is not None
            assert group.model_of.keys() == group.people.keys()
            await recogniser.forget("bob")
            await emptied(fake)


async def test_asking_without_approval_costs_nothing(tmp_path: Path) -> None:
    async with serving() as fake:
        fake.approved = False
        async with opened(tmp_path, fake.endpoint) as (recogniser, context):
            for _ in range(300):
                with pytest.raises(NeedsHuman, match="no approval"):
                    await recogniser.identify([crop("ada")])
                await context.clock.sleep(2)
            assert fake.calls.total() <= 7
        assert json.loads((context.data_folder / FILE).read_text()) == {"2026-11": 0}


async def test_access_that_is_taken_away_later(tmp_path: Path) -> None:
    async with serving() as fake, opened(tmp_path, fake.endpoint) as (recogniser, _):
        await recogniser.enrol("ada", [crop("ada")])
        fake.approved = False
        with pytest.raises(NeedsHuman, match="no approval"):
            await recogniser.identify([crop("ada")])
        await recogniser.forget("ada")
        assert await recogniser.people() == []


async def test_a_wrong_key(tmp_path: Path) -> None:
    async with serving() as fake:
        with pytest.raises(NeedsHuman, match=r"does not accept the key; copy KEY 1") as refused:
            async with opened(tmp_path, fake.endpoint, key="wrong-key-of-another-region"):
                pytest.fail("opened")
        assert "another-region" not in str(refused.value)


async def test_a_group_of_another_model(tmp_path: Path) -> None:
    async with serving() as fake:
        fake.gallery.groups["school"] = Group("old", "recognition_01", None, {"0f": Person("fras", "fras:ada")})
        async with opened(tmp_path, fake.endpoint) as (recogniser, _):
            asked = fake.calls.total()
            for call in (recogniser.identify([crop("ada")]), recogniser.enrol("ada", [crop("ada")])):
                with pytest.raises(NeedsHuman, match="made for recognition_01"):
                    await call
            assert fake.calls.total() == asked, "it stays another"
            await recogniser.forget("ada")
            assert await recogniser.people() == []
        async with make_context(tmp_path, clock=ManualClock()) as context:
            fake.gallery.groups["school"] = Group("old", "recognition_01", None)
            with pytest.raises(NeedsHuman, match="made for recognition_01"):
                await probe(settings(fake.endpoint), context)


@pytest.mark.parametrize("fault", [faults.elsewhere, faults.status(404)], ids=["redirect", "404"])
async def test_something_else_at_that_address(fault: faults.Fault, tmp_path: Path) -> None:
    async def not_found(request: faults.web.Request) -> faults.web.StreamResponse | None:
        return faults.web.Response(status=404, text="nginx")

    async with serving() as fake:
        fake.fault = fault if fault is faults.elsewhere else not_found
        with pytest.raises(NeedsHuman, match="there is no Face service behind"):
            async with opened(tmp_path, fake.endpoint):
                pytest.fail("opened")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"code": "403", "message": "Access denied due to Virtual Network/Firewall rules."}, "closed to this network"),
        ({"code": "403", "message": "Out of call volume quota. Quota will be replenished in 2 days."}, "free calls"),
        ({"code": "QuotaExceeded", "message": "Person number reached subscription level limit."}, "a quota"),
        ({"code": "Forbidden", "message": "Resource is disabled."}, "forbids this: Resource is disabled"),
        ("nonsense", "forbids this"),
    ],
)
async def test_other_prohibitions(body: object, said: str, tmp_path: Path) -> None:
    async def forbidden(request: faults.web.Request) -> faults.web.StreamResponse | None:
        return faults.web.json_response({"error": body}, status=403)

    async with serving() as fake, opened(tmp_path, fake.endpoint) as (recogniser, _):
        fake.fault = forbidden
        with pytest.raises((NeedsHuman, NotReady), match=said):
            await recogniser.people()


async def test_an_entra_application(tmp_path: Path) -> None:
    clock = ManualClock()
    async with serving() as fake, opened(tmp_path, fake.endpoint, clock=clock, **entra(fake)) as (recogniser, _):
        assert await recogniser.people() == []
        assert fake.calls["POST /oauth2/v2.0/token"] == 1
        await clock.sleep(fake.token_lifetime - 299)
        assert await recogniser.people() == []
        assert fake.calls["POST /oauth2/v2.0/token"] == 2, "renewed before its end"
        await clock.sleep(60)
        fake.tokens.clear()  # revoked
        assert await recogniser.people() == []
        assert fake.calls["POST /oauth2/v2.0/token"] == 3


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"client_secret": "expired"}, "the client secret or client id is wrong"),
        ({"tenant": "other"}, "tenant or client id is not one"),
    ],
)
async def test_a_wrong_application(more: dict[str, str], said: str, tmp_path: Path) -> None:
    async with serving() as fake:
        with pytest.raises(NeedsHuman, match=f"Entra gives no token: {said}"):
            async with opened(tmp_path, fake.endpoint, **entra(fake, **more)):
                pytest.fail("opened")


async def test_an_application_without_its_role_and_a_token_for_elsewhere(tmp_path: Path) -> None:
    async with serving() as fake:
        fake.role = False
        with pytest.raises(NeedsHuman, match="may not do this: Principal does not have access"):
            async with opened(tmp_path, fake.endpoint, **entra(fake)):
                pytest.fail("opened")
        fake.role, fake.token_lifetime = True, -1
        with pytest.raises(NeedsHuman, match="does not accept the Entra token"):
            async with opened(tmp_path, fake.endpoint, **entra(fake)):
                pytest.fail("opened")
        with pytest.raises(NeedsHuman, match="no Entra token at an endpoint that a region shares"):
            async with opened(tmp_path, "https://westeurope.api.cognitive.microsoft.com", **entra(fake)):
                pytest.fail("opened")


async def test_a_certificate_nobody_trusts(tmp_path: Path) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(tls)
    async with serving(tls=tls) as fake, make_context(tmp_path, clock=ManualClock()) as context:
        with pytest.raises(NotReady, match=r"certificate of 127\.0\.0\.1:.* is not trusted"):
            await probe(settings(fake.endpoint), context)
        with pytest.raises(NotReady, match=r"no TLS with|broke off"):
            async with serving() as plain:
                await probe(settings(plain.endpoint.replace("http:", "https:")), context)


async def test_azure_away_at_the_start_is_awaited(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with serving() as fake:
        fake.fault = faults.cut
        with caplog.at_level(logging.WARNING):
            async with opened(tmp_path, fake.endpoint) as (recogniser, context):
                assert "broke off its answer" in caplog.text
                with pytest.raises(NotReady):
                    await recogniser.identify([crop("ada")])
                fake.fault = None
                await context.clock.sleep(15)
                assert await recogniser.enrol("ada", [crop("ada")]) == [""]
        assert KEY not in caplog.text


async def test_the_probe_says_what_it_found_and_changes_nothing(tmp_path: Path) -> None:
    async with serving() as fake, make_context(tmp_path, clock=ManualClock()) as context:
        config = settings(fake.endpoint, price=1.5)
        assert await probe(config, context) == (
            "may identify; the large person group school will be made; 2 of 100,000 calls this month, about 0.00"
        )
        assert fake.gallery.groups == {}
        async with opened(tmp_path, fake.endpoint) as (recogniser, _):
            await recogniser.enrol("ada", [crop("ada")])
            await recogniser.identify([crop("ada")])
        told = await probe(config, context)
        assert told.startswith("large person group school: 1 enrolled, training succeeded; ")
        assert f"{fake.calls.total()} of 100,000 calls" in told
        fake.approved = False
        with pytest.raises(NeedsHuman, match="no approval"):
            await probe(config, context)
