"""The operations of the Face API that FRAS uses, typed. It never asks for an attribute but `qualityForRecognition`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from hub.plugin import NotReady

from .client import ATTEMPTS, Client
from .errors import Declined, Unsure

RECOGNITION: Final = "recognition_04"
DETECTION: Final = "detection_03"
FACE_ID_LIVES: Final = 300
"""Seconds that Azure keeps what `detect` extracted, so that `identify` can refer to it (60 to 86,400)."""
MOST_FACE_IDS: Final = 10
"""In one call of `identify`."""
CANDIDATES: Final = 10
PAGE: Final = 1000
"""People listed in one call, the most there may be."""
UNDER_WAY: Final = "LargePersonGroupTrainingNotFinished"
NAME: Final = "fras"
"""Azure asks for a name of everything and everybody; no person's ever leaves the building."""


@dataclass(frozen=True, slots=True)
class Found:
    """A face that `detect` found: `box` is left, top, width, height in pixels; `quality` is low, medium or high."""

    face_id: str
    box: tuple[int, int, int, int]
    quality: str

    @property
    def centre(self) -> tuple[float, float]:
        left, top, width, height = self.box
        return left + width / 2, top + height / 2


@dataclass(frozen=True, slots=True)
class Remote:
    """A person of the group; `data` is the userData we or somebody else gave."""

    id: str
    data: str
    faces: tuple[str, ...]


class FaceApi:
    """One large person group. Raises PluginError, Declined among them."""

    def __init__(self, client: Client, group: str) -> None:
        self._client = client
        self._group = f"/largepersongroups/{group}"
        self._name = group

    async def detect(self, jpeg: bytes, *, attempts: int = ATTEMPTS) -> list[Found]:
        params = {
            "detectionModel": DETECTION,
            "recognitionModel": RECOGNITION,
            "returnFaceId": "true",
            "returnFaceAttributes": "qualityForRecognition",
            "faceIdTimeToLive": str(FACE_ID_LIVES),
        }
        answer = await self._client.call("POST", "/detect", params=params, attempts=attempts, image=jpeg)
        with _as_described():
            return [_found(face) for face in _list(answer)]

    async def identify(self, face_ids: Sequence[str]) -> dict[str, list[tuple[str, float]]]:
        """(personId, confidence) for each face id, whatever the confidence: the hub decides."""
        wanted = {
            "faceIds": list(face_ids),
            "largePersonGroupId": self._name,
            "maxNumOfCandidatesReturned": CANDIDATES,
            "confidenceThreshold": 0,
        }
        answer = await self._client.call("POST", "/identify", json=wanted)
        with _as_described():
            return {
                str(face["faceId"]): [(str(near["personId"]), float(near["confidence"])) for near in face["candidates"]]
                for face in _list(answer)
            }

    async def model(self, *, attempts: int = ATTEMPTS) -> str | None:
        """The group's recognition model; None where there is no group."""
        try:
            group = await self._client.call(
                "GET", self._group, params={"returnRecognitionModel": "true"}, attempts=attempts
            )
        except Declined as refused:
            _pass(refused, "LargePersonGroupNotFound")
            return None
        with _as_described():
            return str(group["recognitionModel"])

    async def make(self) -> None:
        """Makes the group; fine if it is there."""
        try:
            await self._client.call("PUT", self._group, json={"name": NAME, "recognitionModel": RECOGNITION})
        except Declined as refused:
            _pass(refused, "LargePersonGroupExists")

    async def delete_group(self) -> None:
        """With everything that is in it and that its training has taken from it; fine if there is no such group."""
        try:
            await self._client.call("DELETE", self._group, capped=False)
        except Declined as refused:
            _pass(refused, "LargePersonGroupNotFound")

    async def people(self, *, capped: bool = True) -> list[Remote]:
        """Everybody in the group; nobody where there is no group."""
        people: list[Remote] = []
        while True:
            params = {"top": str(PAGE)} | ({"start": people[-1].id} if people else {})
            try:
                answer = await self._client.call("GET", f"{self._group}/persons", params=params, capped=capped)
            except Declined as refused:
                _pass(refused, "LargePersonGroupNotFound")
                return []
            with _as_described():
                page = [_remote(person) for person in _list(answer)]
            people += page
            if len(page) < PAGE:
                return people

    async def person(self, person_id: str, *, capped: bool = True) -> Remote | None:
        try:
            person = await self._client.call("GET", f"{self._group}/persons/{person_id}", capped=capped)
        except Declined as refused:
            _pass(refused, "PersonNotFound")
            return None
        with _as_described():
            return _remote(person)

    async def add_person(self, data: str) -> str:
        """The new person's id. Raises Unsure when there may be such a person now."""
        person = await self._client.call(
            "POST", f"{self._group}/persons", json={"name": NAME, "userData": data}, repeatable=False
        )
        with _as_described(Unsure):
            return str(person["personId"])

    async def delete_person(self, person_id: str) -> None:
        """With all faces; fine if there is no such person."""
        try:
            await self._client.call("DELETE", f"{self._group}/persons/{person_id}", capped=False)
        except Declined as refused:
            _pass(refused, "PersonNotFound")

    async def face_data(self, person_id: str, face_id: str) -> str:
        """What was kept with a persisted face; empty where there is none any more."""
        path = f"{self._group}/persons/{person_id}/persistedfaces/{face_id}"
        try:
            face = await self._client.call("GET", path)
        except Declined as refused:
            _pass(refused, "PersistedFaceNotFound", "PersonNotFound")
            return ""
        with _as_described():
            return str(face.get("userData") or "")

    async def add_face(self, person_id: str, jpeg: bytes, box: tuple[int, int, int, int], data: str) -> str:
        """The persisted face's id. Raises Unsure when there may be such a face now."""
        params = {"targetFace": ",".join(map(str, box)), "detectionModel": DETECTION, "userData": data}
        path = f"{self._group}/persons/{person_id}/persistedfaces"
        face = await self._client.call("POST", path, params=params, image=jpeg, repeatable=False)
        with _as_described(Unsure):
            return str(face["persistedFaceId"])

    async def train(self, *, capped: bool = True) -> bool:
        """Asks for training; False where some is under way already."""
        try:
            await self._client.call("POST", f"{self._group}/train", capped=capped)
        except Declined as refused:
            _pass(refused, UNDER_WAY)
            return False
        return True

    async def training(self, *, attempts: int = ATTEMPTS, capped: bool = True) -> tuple[str, str]:
        """Status (none, notStarted, running, succeeded, failed) and message of the last training."""
        try:
            status = await self._client.call("GET", f"{self._group}/training", attempts=attempts, capped=capped)
        except Declined as refused:
            _pass(refused, "LargePersonGroupNotTrained")
            return "none", ""
        with _as_described():
            return str(status["status"]), str(status.get("message") or "")


def _pass(refused: Declined, *codes: str) -> None:
    """Raises what is refused for any other reason."""
    if refused.code not in codes:
        raise refused


@contextmanager
def _as_described(problem: type[NotReady] = NotReady) -> Iterator[None]:
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError):
        raise problem(
            "Azure Face answered something that its description does not allow",
            hint="look for a proxy in between; if it lasts, report it to FRAS",
        ) from None


def _list(answer: Any) -> list[Any]:
    if not isinstance(answer, list):
        raise TypeError
    return answer


def _found(face: Mapping[str, Any]) -> Found:
    box = face["faceRectangle"]
    left, top, width, height = (int(box[side]) for side in ("left", "top", "width", "height"))
    return Found(str(face["faceId"]), (left, top, width, height), str(face["faceAttributes"]["qualityForRecognition"]))


def _remote(person: Mapping[str, Any]) -> Remote:
    return Remote(
        str(person["personId"]), str(person.get("userData") or ""), tuple(person.get("persistedFaceIds") or ())
    )
