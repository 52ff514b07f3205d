"""One script of flows, run on the fake service by Microsoft's own client and by ours: neither end wrote the other."""

from __future__ import annotations

import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import pytest

from hub.plugin import NeedsHuman, NotReady, PluginError
from plugins.recognizers.azure_face.api import PAGE
from plugins.recognizers.azure_face.errors import Declined
from plugins.recognizers.azure_face.sheets import sheet_of
from tests.support.azure import FakeAzure, crop, serving
from tests.support.azure.client import api
from tests.support.azure.gallery import Person
from tests.support.azure.server import KEY

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from azure.ai.vision.face.aio import FaceAdministrationClient, FaceClient
    from azure.core.credentials import AzureKeyCredential
    from azure.core.exceptions import HttpResponseError

JPEGS = {person: sheet_of([crop(person)]).jpeg for person in ("ada", "bob")}


class Flows(Protocol):
    """What both clients can do, in the same words."""

    async def make(self) -> None: ...
    async def add(self, person: str) -> str: ...
    async def add_face(self, person_id: str, jpeg: bytes) -> str: ...
    async def begin_training(self) -> None: ...
    async def train(self) -> None: ...
    async def model(self) -> str: ...
    async def people(self) -> dict[str, int]: ...
    async def faces_of(self, person_id: str) -> list[str]: ...
    async def data_of(self, person_id: str, face_id: str) -> str: ...
    async def identify(self, jpeg: bytes) -> list[tuple[str, float]]: ...
    async def delete(self, person_id: str) -> None: ...
    async def delete_group(self) -> None: ...


class Microsofts:
    def __init__(self, faces: Any, groups: Any) -> None:
        self._faces = faces
        self._groups = groups.large_person_group

    async def make(self) -> None:
        await self._groups.create("school", name="fras", recognition_model="recognition_04")

    async def add(self, person: str) -> str:
        made = await self._groups.create_person("school", name="fras", user_data=f"fras:{person}")
        return str(made.person_id)

    async def add_face(self, person_id: str, jpeg: bytes) -> str:
        (face,) = await self._detect(jpeg)
        assert face.face_attributes.quality_for_recognition == "high"
        box = face.face_rectangle
        added = await self._groups.add_face(
            "school", person_id, jpeg, target_face=[box.left, box.top, box.width, box.height],
            detection_model="detection_03", user_data="digest",
        )  # fmt: skip
        return str(added.persisted_face_id)

    async def begin_training(self) -> None:
        await self._groups.begin_train("school", polling=False)

    async def train(self) -> None:
        poller = await self._groups.begin_train("school", polling_interval=0)
        await poller.result()
        assert (await self._groups.get_training_status("school")).status == "succeeded"

    async def model(self) -> str:
        return str((await self._groups.get("school", return_recognition_model=True)).recognition_model.value)

    async def people(self) -> dict[str, int]:
        found = page = await self._groups.get_persons("school", top=PAGE)
        while len(page) == PAGE:
            page = await self._groups.get_persons("school", top=PAGE, start=page[-1].person_id)
            found = [*found, *page]
        return {person.user_data: len(person.persisted_face_ids) for person in found}

    async def faces_of(self, person_id: str) -> list[str]:
        return list((await self._groups.get_person("school", person_id)).persisted_face_ids)

    async def data_of(self, person_id: str, face_id: str) -> str:
        return str((await self._groups.get_face("school", person_id, face_id)).user_data)

    async def identify(self, jpeg: bytes) -> list[tuple[str, float]]:
        (face,) = await self._detect(jpeg)
        (found,) = await self._faces.identify_from_large_person_group(
            face_ids=[face.face_id], large_person_group_id="school",
            max_num_of_candidates_returned=10, confidence_threshold=0,
        )  # fmt: skip
        return [(near.person_id, near.confidence) for near in found.candidates]

    async def delete(self, person_id: str) -> None:
        await self._groups.delete_person("school", person_id)

    async def delete_group(self) -> None:
        await self._groups.delete("school")

    async def _detect(self, jpeg: bytes) -> Any:
        return await self._faces.detect(
            jpeg, detection_model="detection_03", recognition_model="recognition_04", return_face_id=True,
            return_face_attributes=["qualityForRecognition"], face_id_time_to_live=300,
        )  # fmt: skip


class Ours:
    def __init__(self, service: Any) -> None:
        self._api = service

    async def make(self) -> None:
        await self._api.make()

    async def add(self, person: str) -> str:
        return str(await self._api.add_person(f"fras:{person}"))

    async def add_face(self, person_id: str, jpeg: bytes) -> str:
        (face,) = await self._api.detect(jpeg)
        assert face.quality == "high"
        return str(await self._api.add_face(person_id, jpeg, face.box, "digest"))

    async def begin_training(self) -> None:
        assert await self._api.train()

    async def train(self) -> None:
        assert await self._api.train()
        while (await self._api.training())[0] != "succeeded":
            pass

    async def model(self) -> str:
        return str(await self._api.model())

    async def people(self) -> dict[str, int]:
        return {person.data: len(person.faces) for person in await self._api.people()}

    async def faces_of(self, person_id: str) -> list[str]:
        return list((await self._api.person(person_id)).faces)

    async def data_of(self, person_id: str, face_id: str) -> str:
        return str(await self._api.face_data(person_id, face_id))

    async def identify(self, jpeg: bytes) -> list[tuple[str, float]]:
        (face,) = await self._api.detect(jpeg)
        return list((await self._api.identify([face.face_id]))[face.face_id])

    async def delete(self, person_id: str) -> None:
        await self._api.delete_person(person_id)

    async def delete_group(self) -> None:
        await self._api.delete_group()


def code_of(refusal: Any) -> str:
    return str(refusal.code if isinstance(refusal, Declined) else refusal.error.code)


@asynccontextmanager
async def client(kind: str, folder: Path, fake: FakeAzure, key: str = KEY) -> AsyncIterator[Flows]:
    if kind == "ours":
        async with api(folder, fake.endpoint + "/", key=key) as (service, _):
            yield Ours(service)
        return
    options: dict[str, Any] = {
        "endpoint": fake.endpoint, "credential": AzureKeyCredential(key), "api_version": "v1.2", "retry_total": 0,
    }  # fmt: skip
    async with FaceClient(**options) as faces, FaceAdministrationClient(**options) as groups:
        yield Microsofts(faces, groups)


@pytest.mark.parametrize("kind", ["Microsoft's", "ours"])
async def test_the_same_flows(kind: str, tmp_path: Path) -> None:
    async with serving() as fake, client(kind, tmp_path, fake) as azure:
        await azure.make()
        ada, bob = await azure.add("ada"), await azure.add("bob")
        assert await azure.model() == "recognition_04"
        face = await azure.add_face(ada, JPEGS["ada"])
        await azure.add_face(bob, JPEGS["bob"])
        assert await azure.people() == {"fras:ada": 1, "fras:bob": 1}
        assert await azure.faces_of(ada) == [face]
        assert await azure.data_of(ada, face) == "digest"
        await azure.train()
        (first, second) = await azure.identify(JPEGS["bob"])
        assert first[0] == bob
        assert first[1] > 0.95
        assert second[0] == ada
        assert second[1] < 0.3
        await azure.delete(ada)
        assert await azure.people() == {"fras:bob": 1}
        await azure.train()
        assert [person for person, _ in await azure.identify(JPEGS["ada"])] == [bob]
        await azure.delete_group()
        assert fake.gallery.groups == {}
        assert fake.statuses.keys() == {200, 202}


@pytest.mark.parametrize("kind", ["Microsoft's", "ours"])
async def test_more_people_than_a_page(kind: str, tmp_path: Path) -> None:
    async with serving() as fake, client(kind, tmp_path, fake) as azure:
        await azure.make()
        everybody = {f"{number:036}": Person("fras", f"fras:{number}") for number in range(2 * PAGE)}
        fake.gallery.groups["school"].people |= everybody
        assert await azure.people() == {person.data: 0 for person in everybody.values()}
        assert fake.calls["GET /largepersongroups/persons"] == 3


@pytest.mark.parametrize("kind", ["Microsoft's", "ours"])
async def test_what_both_are_refused(kind: str, tmp_path: Path) -> None:
    async with serving() as fake, client(kind, tmp_path, fake) as azure:
        await azure.make()
        with pytest.raises((HttpResponseError, PluginError), match="not trained"):
            await azure.identify(JPEGS["ada"])
        ada = await azure.add("ada")
        with pytest.raises((HttpResponseError, PluginError), match=r"PersonNotFound|is not found"):
            await azure.add_face("no-such-person", JPEGS["ada"])
        await azure.add_face(ada, JPEGS["ada"])
        await azure.begin_training()
        for call in (azure.add("bob"), azure.identify(JPEGS["ada"]), azure.delete(ada), azure.delete_group()):
            with pytest.raises((HttpResponseError, Declined)) as refused:
                await call
            assert code_of(refused.value) == "LargePersonGroupTrainingNotFinished"
        assert fake.statuses[409] == 4
        fake.limit = (1, 3600)
        assert await azure.model() == "recognition_04"
        with pytest.raises((HttpResponseError, NotReady), match=r"[Rr]ate limit|asks for a break of 3600 s"):
            await azure.model()
        assert fake.statuses[429] == 1
    async with serving() as fake, client(kind, tmp_path, fake) as azure:
        fake.approved = False
        with pytest.raises((HttpResponseError, NeedsHuman), match=r"UnsupportedFeature|missing approval"):
            await azure.identify(JPEGS["ada"])
        async with client(kind, tmp_path, fake, key="0" * 32) as stranger:
            with pytest.raises(
                (HttpResponseError, NeedsHuman), match=r"invalid subscription key|does not accept the key"
            ):
                await stranger.people()
