"""The fake service over HTTP: it takes what the vendor's description allows, and nothing else."""

from __future__ import annotations

import json
import re
import ssl
import time
import uuid
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from .gallery import Gallery, Group, Persisted, Person, Problem
from .pictures import SeenFace, faces_in

Fault = Callable[[web.Request], Awaitable[web.StreamResponse | None]]

KEY = "0123456789abcdef0123456789abcdef"
TENANT, CLIENT, SECRET = "contoso.onmicrosoft.com", "1f0b6c0e-4c0e-4b57-9f0e-1c1f6a6a8c11", "entra~secret"
LIMITED = frozenset({"age", "smile", "facialHair", "hair", "emotion", "gender", "makeup"})
ATTRIBUTES = frozenset(
    {"headPose", "glasses", "occlusion", "accessories", "blur", "exposure", "noise", "mask", "qualityForRecognition"}
)
OF_DETECTION_03 = frozenset({"headPose", "mask", "qualityForRecognition"})
MODELS = frozenset(f"recognition_0{number}" for number in range(1, 5))
DETECTORS = frozenset(f"detection_0{number}" for number in range(1, 4))
GROUP_ID = re.compile(r"[a-z0-9_-]{1,64}")


class FakeAzure:
    """`calls` counts operations, `bodies` are pictures it got; set `approved`, `limit`, `fault`, `looks` to taste."""

    def __init__(self) -> None:
        self.gallery = Gallery()
        self.endpoint = ""
        self.calls: Counter[str] = Counter()
        self.statuses: Counter[int] = Counter()
        self.bodies: list[bytes] = []
        self.request_ids: list[str] = []
        self.approved = True
        self.limit: tuple[int, float] | None = None
        """Calls in so many seconds, more are refused."""
        self.fault: Fault | None = None
        self.looks = 1
        self.tokens: dict[str, float] = {}
        self.token_lifetime = 3600
        self.role = True
        self._recent: deque[float] = deque()

    @property
    def app(self) -> web.Application:
        app = web.Application(middlewares=[self._answer], client_max_size=20_000_000)
        app.router.add_post("/{tenant}/oauth2/v2.0/token", self.token)
        for version in ("v1.2", "v1.2-preview.1"):
            base = f"/face/{version}"
            group = base + "/largepersongroups/{group}"
            person = group + "/persons/{person}"
            app.add_routes(
                [
                    web.post(f"{base}/detect", self.detect),
                    web.post(f"{base}/identify", self.identify),
                    web.put(group, self.make_group),
                    web.get(group, self.show_group),
                    web.delete(group, self.delete_group),
                    web.post(f"{group}/train", self.train),
                    web.get(f"{group}/training", self.training),
                    web.get(f"{group}/persons", self.list_people),
                    web.post(f"{group}/persons", self.add_person),
                    web.get(person, self.show_person),
                    web.delete(person, self.delete_person),
                    web.post(f"{person}/persistedfaces", self.add_face),
                    web.get(f"{person}/persistedfaces/{{face}}", self.show_face),
                    web.delete(f"{person}/persistedfaces/{{face}}", self.delete_face),
                ]
            )
        return app

    def group(self, request: web.Request) -> Group:
        if not GROUP_ID.fullmatch(request.match_info["group"]):
            raise Problem(404, "LargePersonGroupNotFound", "Large person group ID is invalid.")
        return self.gallery.group(request.match_info["group"])

    # -- detection and identification

    async def detect(self, request: web.Request) -> web.Response:
        known = {"detectionModel", "recognitionModel", "returnFaceId", "returnFaceAttributes", "returnFaceLandmarks",
                 "returnRecognitionModel", "faceIdTimeToLive"}  # fmt: skip
        query = _query(request, known)
        detector, model = query.get("detectionModel", "detection_01"), query.get("recognitionModel", "recognition_01")
        _require(detector in DETECTORS, "'detectionModel' is invalid.")
        _require(model in MODELS, "'recognitionModel' is invalid.")
        with_id = _flag(query, "returnFaceId", default=True)
        attributes = [part for part in query.get("returnFaceAttributes", "").split(",") if part]
        _check_attributes(attributes, detector, model)
        lifetime = int(query.get("faceIdTimeToLive", "86400"))
        _require(60 <= lifetime <= 86400, "'faceIdTimeToLive' is invalid.")
        if with_id:
            self._refuse_unapproved()
        answer = []
        for face in await self._faces(request):
            shown: dict[str, Any] = {"faceRectangle": _rectangle(face)}
            if with_id:
                shown["faceId"] = self.gallery.keep(face, model, lifetime)
                if _flag(query, "returnRecognitionModel", default=False):
                    shown["recognitionModel"] = model
            if attributes:
                shown["faceAttributes"] = {"qualityForRecognition": face.quality}
            answer.append(shown)
        return web.json_response(answer)

    async def identify(self, request: web.Request) -> web.Response:
        _query(request, set())
        self._refuse_unapproved()
        return web.json_response(self.gallery.identify(await _json(request)))

    # -- groups

    async def make_group(self, request: web.Request) -> web.Response:
        group_id, body = request.match_info["group"], await _json(request)
        _require(GROUP_ID.fullmatch(group_id) is not None, "Large person group ID is invalid.")
        _check_named(body, {"name", "userData", "recognitionModel"})
        model = body.get("recognitionModel", "recognition_01")
        _require(model in MODELS, "'recognitionModel' is invalid.")
        if group_id in self.gallery.groups:
            raise Problem(409, "LargePersonGroupExists", "Large person group already exists.")
        self.gallery.groups[group_id] = Group(body["name"], model, body.get("userData"))
        return web.Response()

    async def show_group(self, request: web.Request) -> web.Response:
        query, group = _query(request, {"returnRecognitionModel"}), self.group(request)
        shown = {"largePersonGroupId": request.match_info["group"], "name": group.name, "userData": group.data}
        if _flag(query, "returnRecognitionModel", default=False):
            shown["recognitionModel"] = group.model
        return web.json_response(shown)

    async def delete_group(self, request: web.Request) -> web.Response:
        self.group(request).refuse_while_training()
        del self.gallery.groups[request.match_info["group"]]
        return web.Response()

    async def train(self, request: web.Request) -> web.Response:
        self.group(request).train(self.looks)
        where = f"{self.endpoint}{request.path.removesuffix('/train')}/training"
        return web.Response(status=202, headers={"Operation-Location": where})

    async def training(self, request: web.Request) -> web.Response:
        return web.json_response(self.group(request).look())

    # -- people and their faces

    async def list_people(self, request: web.Request) -> web.Response:
        query, group = _query(request, {"start", "top"}), self.group(request)
        top = int(query.get("top", "1000"))
        _require(1 <= top <= 1000, "'top' is invalid.")
        ids = [one for one in sorted(group.people) if one > query.get("start", "")]
        return web.json_response([group.people[one].described(one) for one in ids[:top]])

    async def add_person(self, request: web.Request) -> web.Response:
        group, body = self.group(request), await _json(request)
        _check_named(body, {"name", "userData"})
        group.refuse_while_training()
        person_id = str(uuid.uuid4())
        group.people[person_id] = Person(body["name"], body.get("userData"))
        return web.json_response({"personId": person_id})

    async def show_person(self, request: web.Request) -> web.Response:
        person_id = request.match_info["person"]
        return web.json_response(self.group(request).person(person_id).described(person_id))

    async def delete_person(self, request: web.Request) -> web.Response:
        group = self.group(request)
        group.person(request.match_info["person"])
        group.refuse_while_training()
        del group.people[request.match_info["person"]]
        return web.Response()

    async def add_face(self, request: web.Request) -> web.Response:
        query, group = _query(request, {"targetFace", "detectionModel", "userData"}), self.group(request)
        person = group.person(request.match_info["person"])
        _require(query.get("detectionModel", "detection_01") in DETECTORS, "'detectionModel' is invalid.")
        _require(len(query.get("userData", "")) <= 1024, "'userData' is too long.")
        found = await self._faces(request)
        if target := query.get("targetFace"):
            _require(re.fullmatch(r"\d+,\d+,\d+,\d+", target) is not None, "Invalid argument targetFace.")
            left, top, width, height = map(int, target.split(","))
            found = [face for face in found if face.overlaps(left, top, width, height)]
        if len(found) != 1:
            said = "There is more than 1 face in the image." if found else "No face detected in the image."
            raise Problem(400, "InvalidImage", said)
        group.refuse_while_training()
        if len(person.faces) >= 248:
            raise Problem(403, "QuotaExceeded", "Persisted face number reached limit.")
        face_id = str(uuid.uuid4())
        person.faces[face_id] = Persisted(found[0].colour, query.get("userData"))
        return web.json_response({"persistedFaceId": face_id})

    async def show_face(self, request: web.Request) -> web.Response:
        face_id = request.match_info["face"]
        face = self._persisted(request)
        return web.json_response({"persistedFaceId": face_id, "userData": face.data})

    async def delete_face(self, request: web.Request) -> web.Response:
        self._persisted(request)
        del self.group(request).person(request.match_info["person"]).faces[request.match_info["face"]]
        return web.Response()

    def _persisted(self, request: web.Request) -> Persisted:
        faces = self.group(request).person(request.match_info["person"]).faces
        if request.match_info["face"] not in faces:
            raise Problem(404, "PersistedFaceNotFound", "Persisted face is not found.")
        return faces[request.match_info["face"]]

    # -- around every call

    async def token(self, request: web.Request) -> web.Response:
        form = await request.post()
        wanted = {"grant_type": "client_credentials", "scope": "https://cognitiveservices.azure.com/.default"}
        if request.match_info["tenant"] != TENANT or any(form.get(name) != value for name, value in wanted.items()):
            return web.json_response({"error": "invalid_request", "error_description": "AADSTS90002"}, status=400)
        if (form.get("client_id"), form.get("client_secret")) != (CLIENT, SECRET):
            return web.json_response({"error": "invalid_client", "error_description": "AADSTS7000215"}, status=401)
        token = uuid.uuid4().hex
        self.tokens[token] = time.monotonic() + self.token_lifetime
        return web.json_response({"token_type": "Bearer", "expires_in": self.token_lifetime, "access_token": token})

    @web.middleware
    async def _answer(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        self.calls[_operation(request)] += 1
        if self.fault is not None and (answer := await self.fault(request)) is not None:
            return answer
        try:
            if handler != self.token:
                self.request_ids.append(request.headers.get("client-request-id", ""))
                self._authenticate(request)
                self._pace()
            response = await handler(request)
        except Problem as problem:
            response = web.json_response(problem.body, status=problem.status)
            response.headers["x-ms-error-code"] = problem.code
            if problem.status == 429:
                response.headers["Retry-After"] = str(self._until_free())
        except web.HTTPNotFound:
            response = web.json_response({"error": {"code": "404", "message": "Resource not found"}}, status=404)
        self.statuses[response.status] += 1
        return response

    def _authenticate(self, request: web.Request) -> None:
        if request.headers.get("Ocp-Apim-Subscription-Key") == KEY:
            return
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if self.tokens.get(token, 0) < time.monotonic():
            raise Problem(401, "401", "Access denied due to invalid subscription key or wrong API endpoint.")
        if not self.role:
            raise Problem(403, "PermissionDenied", "Principal does not have access to API/Operation.")

    def _pace(self) -> None:
        if self.limit is None:
            return
        most, seconds = self.limit
        now = time.monotonic()
        while self._recent and self._recent[0] <= now - seconds:
            self._recent.popleft()
        if len(self._recent) >= most:
            raise Problem(429, "429", "Rate limit is exceeded.")
        self._recent.append(now)

    def _until_free(self) -> int:
        assert self.limit
        return max(1, round(self._recent[0] + self.limit[1] - time.monotonic()))

    def _refuse_unapproved(self) -> None:
        if not self.approved:
            said = (
                "Feature is not supported, missing approval for one or more of the following features: Identification."
            )
            raise Problem(403, "InvalidRequest", said, inner="UnsupportedFeature")

    async def _faces(self, request: web.Request) -> list[SeenFace]:
        _require(request.content_type == "application/octet-stream", "Request body is invalid.")
        body = await request.read()
        self.bodies.append(body)
        if not 1024 <= len(body) <= 6 * 1024 * 1024:
            raise Problem(400, "InvalidImageSize", f"Image size is too {'small' if len(body) < 1024 else 'big'}.")
        try:
            return faces_in(body)
        except OSError:
            raise Problem(400, "InvalidImage", "Decoding error, image format unsupported.") from None


@asynccontextmanager
async def serving(fake: FakeAzure | None = None, tls: ssl.SSLContext | None = None) -> AsyncIterator[FakeAzure]:
    """The service on a port of this machine, at its `endpoint`."""
    fake = fake or FakeAzure()
    runner = web.AppRunner(fake.app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
        await site.start()
        port = runner.addresses[0][1]
        fake.endpoint = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
        yield fake
    finally:
        await runner.cleanup()


def _operation(request: web.Request) -> str:
    """As "POST /largepersongroups/persons": without version and ids."""
    resource = request.match_info.route.resource
    path = resource.canonical if resource is not None else "?"
    return f"{request.method} {re.sub(r'^/face/[^/]+|/{[^}]+}', '', path)}"


def _query(request: web.Request, allowed: set[str]) -> dict[str, str]:
    _require(set(request.query) <= allowed, f"Unknown parameters: {sorted(set(request.query) - allowed)}.")
    return dict(request.query)


def _flag(query: dict[str, str], name: str, *, default: bool) -> bool:
    value = query.get(name, str(default)).lower()
    _require(value in ("true", "false"), f"'{name}' is invalid.")
    return value == "true"


def _check_attributes(attributes: list[str], detector: str, model: str) -> None:
    if LIMITED & set(attributes):
        raise Problem(403, "InvalidRequest", "Return Attributes have been deprecated.", inner="UnsupportedFeature")
    _require(set(attributes) <= ATTRIBUTES, "Invalid argument returnFaceAttributes.")
    _require(not attributes or detector != "detection_02", "'returnFaceAttributes' is not supported by detection_02.")
    if detector == "detection_03":
        _require(set(attributes) <= OF_DETECTION_03, "Invalid argument returnFaceAttributes.")
    if "qualityForRecognition" in attributes:
        _require(model in ("recognition_03", "recognition_04"), "Invalid argument returnFaceAttributes.")


def _check_named(body: dict[str, Any], allowed: set[str]) -> None:
    _require(set(body) <= allowed, "Request body is invalid.")
    _require(isinstance(body.get("name"), str) and body["name"] != "", "'name' is empty.")
    _require(len(body["name"]) <= 128, "'name' is too long.")
    _require(len(body.get("userData") or "") <= 16 * 1024, "'userData' is too long.")


async def _json(request: web.Request) -> dict[str, Any]:
    try:
        body = json.loads(await request.read())
    except ValueError:
        raise Problem(400, "BadArgument", "JSON parsing error.") from None
    _require(isinstance(body, dict), "Request body is invalid.")
    return dict(body)


def _rectangle(face: SeenFace) -> dict[str, int]:
    return {"left": face.left, "top": face.top, "width": face.width, "height": face.height}


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise Problem(400, "BadArgument", message)
