"""What the fake service keeps: faces for a while, large person groups, and what each was last trained on."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from .pictures import SeenFace, likeness

Colour = tuple[float, float, float]


class Problem(Exception):
    """An answer that is an error, as the vendor documents them."""

    def __init__(self, status: int, code: str, message: str, inner: str = "") -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.inner = inner

    @property
    def body(self) -> dict[str, Any]:
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.inner:
            error["innererror"] = {"code": self.inner, "message": self.message}
        return {"error": error}


@dataclass
class Persisted:
    colour: Colour
    data: str | None


@dataclass
class Person:
    name: str
    data: str | None
    faces: dict[str, Persisted] = field(default_factory=dict)

    def described(self, person_id: str) -> dict[str, Any]:
        shown: dict[str, Any] = {"personId": person_id, "name": self.name, "persistedFaceIds": list(self.faces)}
        return shown | ({"userData": self.data} if self.data is not None else {})


@dataclass
class Group:
    name: str
    model: str
    data: str | None
    people: dict[str, Person] = field(default_factory=dict)
    status: str = "none"
    message: str | None = None
    looks_left: int = 0
    model_of: dict[str, list[Colour]] | None = None
    """What `identify` compares with: as of the last training."""
    trainings: int = 0
    fails: str = ""
    """What training ends with, if it is not to succeed."""

    def train(self, looks: int) -> None:
        """Training takes until its status was looked at `looks` times."""
        self.refuse_while_training()
        self.trainings += 1
        self.status, self.message, self.looks_left = "notStarted", None, looks
        if not looks:
            self._finish()

    def look(self) -> dict[str, Any]:
        if self.status == "none":
            raise Problem(404, "LargePersonGroupNotTrained", "Large person group not trained.")
        if self.status in ("notStarted", "running"):
            self.status, self.looks_left = "running", self.looks_left - 1
            if self.looks_left < 0:
                self._finish()
        now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        times = dict.fromkeys(("createdDateTime", "lastActionDateTime", "lastSuccessfulTrainingDateTime"), now)
        return {"status": self.status, **times} | ({"message": self.message} if self.message else {})

    def refuse_while_training(self) -> None:
        if self.status in ("notStarted", "running"):
            raise Problem(409, "LargePersonGroupTrainingNotFinished", "Large person group is under training.")

    def person(self, person_id: str) -> Person:
        if person_id not in self.people:
            raise Problem(404, "PersonNotFound", f"Person {person_id} is not found.")
        return self.people[person_id]

    def nearest(self, colour: Colour, most: int, threshold: float) -> list[dict[str, Any]]:
        assert self.model_of is not None
        scores = {person: max(likeness(colour, one) for one in faces) for person, faces in self.model_of.items()}
        best = sorted(scores.items(), key=lambda one: -one[1])[:most]
        return [{"personId": person, "confidence": round(score, 5)} for person, score in best if score >= threshold]

    def _finish(self) -> None:
        trained = {one: [face.colour for face in p.faces.values()] for one, p in self.people.items() if p.faces}
        if self.fails:
            self.status, self.message = "failed", self.fails
        elif trained:
            self.status, self.model_of = "succeeded", trained
        else:
            self.status, self.message = "failed", "There is no person in the group, or no face in any person."


@dataclass
class Cached:
    """A face that `detect` found and keeps for a while."""

    face: SeenFace
    model: str
    until: float


@dataclass
class Gallery:
    groups: dict[str, Group] = field(default_factory=dict)
    cached: dict[str, Cached] = field(default_factory=dict)

    def group(self, group_id: str) -> Group:
        if group_id not in self.groups:
            raise Problem(404, "LargePersonGroupNotFound", "Large person group is not found.")
        return self.groups[group_id]

    def keep(self, face: SeenFace, model: str, seconds: int) -> str:
        face_id = str(uuid.uuid4())
        self.cached[face_id] = Cached(face, model, time.monotonic() + seconds)
        return face_id

    def identify(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        allowed = {"faceIds", "largePersonGroupId", "maxNumOfCandidatesReturned", "confidenceThreshold"}
        ids, group_id = body.get("faceIds"), body.get("largePersonGroupId")
        if set(body) - allowed or not isinstance(ids, list):
            raise Problem(400, "BadArgument", "Request body is invalid.")
        if not 1 <= len(ids) <= 10:
            raise Problem(400, "BadArgument", "The length of faceIds is not in a valid range.")
        if not isinstance(group_id, str):
            raise Problem(400, "MissingIdentificationScopeParameters", "No identification scope parameter is present.")
        most, threshold = body.get("maxNumOfCandidatesReturned", 10), body.get("confidenceThreshold", 0.5)
        if type(most) is not int or not 1 <= most <= 100:
            raise Problem(400, "BadArgument", "The argument maxNumOfCandidatesReturned is not valid.")
        if not isinstance(threshold, int | float) or not 0 <= threshold <= 1:
            raise Problem(400, "BadArgument", "The argument confidenceThreshold is not valid.")
        if group_id not in self.groups:
            raise Problem(400, "LargePersonGroupNotFound", "Large person group is not found.")
        group = self.groups[group_id]
        group.refuse_while_training()
        if group.model_of is None:
            raise Problem(400, "LargePersonGroupNotTrained", "Large person group not trained.")
        return [
            {"faceId": one, "candidates": group.nearest(self._face(one, group.model).colour, most, threshold)}
            for one in ids
        ]

    def _face(self, face_id: str, model: str) -> SeenFace:
        cached = self.cached.get(face_id)
        if cached is None or cached.until < time.monotonic():
            raise Problem(400, "FaceNotFound", "Face is not found.")
        if cached.model != model:
            raise Problem(400, "BadArgument", "'recognitionModel' is incompatible.")
        return cached.face
