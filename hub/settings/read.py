"""hub.yaml → Settings, or every problem it has."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from config import Document, Invalid, Keys, Problem, Severity, check, problem_at, read
from hub.attendance.records import Rules
from hub.plugin import CameraSpec, RecognizerSpec
from hub.plugin.validators import format_duration
from hub.runtime.catalog import Kind
from hub.runtime.faults import meaning

from . import recognizers, schemas, timetable
from .law import JURISDICTIONS
from .model import (
    CameraPart,
    Http,
    Keep,
    NodeAccess,
    Part,
    Platforms,
    PolicySettings,
    RecognizerPart,
    Recognizers,
    School,
    Settings,
)
from .zone import AUTO, machine_zone, zone

DAY = timedelta(days=1)


def read_settings(
    path: Path, platforms: Platforms, environ: Mapping[str, str] = os.environ, *, watched: Collection[str] = ()
) -> Settings:
    """Reads and checks hub.yaml at `path`. Raises config.Invalid with every problem, warnings included.

    `watched` are rooms that have cameras which hub.yaml does not name.
    """
    return _Reading(read(path, environ), platforms, environ, frozenset(watched)).settings()


def http_settings(path: Path, environ: Mapping[str, str] = os.environ) -> Http:
    """Where to listen, as far as that can be told from a hub.yaml that may have any problem; else the default."""
    document = read(path, environ)
    found = check(document, schemas.HTTP, document.data.get("http") or {}, ("http",), "http").values
    return Http(**{name: found[name] for name in ("host", "port") if name in found})


class _Reading:
    """One reading: each section is checked on its own, then the rules between them on whatever is valid."""

    def __init__(
        self,
        document: Document,
        platforms: Platforms,
        environ: Mapping[str, str],
        watched: frozenset[str] = frozenset(),
    ) -> None:
        self.document = document
        self.watched = watched
        self.platforms = platforms
        self.environ = environ
        self.problems: list[Problem] = list(document.problems)

    def settings(self) -> Settings:
        given = {name: options for name, options in self.document.data.items() if options is not None}
        sections = self.checked(schemas.SECTIONS, given, (), "hub.yaml")
        school = self.school(sections)
        http = self.checked(schemas.HTTP, sections.get("http", {}), ("http",))
        nodes = self.checked(schemas.NODES, sections.get("nodes", {}), ("nodes",))
        policy = self.policy(sections.get("policy", {}))
        storage = self.part("storage", sections["storage"], ("storage",)) if "storage" in sections else {}
        cameras = [
            self.part("camera", options, ("cameras", index))
            for index, options in enumerate(sections.get("cameras", []))
        ]
        recognisers = self.recognisers(sections, cameras)
        attendance = self.checked(schemas.ATTENDANCE, sections.get("attendance", {}), ("attendance",))
        entries = self.entries(attendance.pop("timetable", []))
        self.kept(storage.get("keep", {}))
        self.seldom(cameras, attendance.get("gap", Rules().gap))
        self.same_ids(cameras)
        self.unwatched(entries, cameras)
        if any(problem.severity is Severity.ERROR for problem in self.problems):
            raise Invalid(self.problems)
        return Settings(
            school=self.built(school),
            http=Http(**http),
            recognizer=self.put_together(recognisers),
            storage=self.plugin("storage", storage, ("storage",)),
            keep=Keep(**storage["keep"]),
            cameras=tuple(self.camera(camera, ("cameras", index)) for index, camera in enumerate(cameras)),
            policy=PolicySettings(**policy),
            rules=Rules(**attendance),
            timetable=tuple(entry.held for entry in entries),
            nodes=NodeAccess(**nodes),
            warnings=tuple(dict.fromkeys(self.problems)),
            files=self.document.files,
        )

    def report(self, problems: Iterable[Problem]) -> None:
        self.problems.extend(problems)

    def checked(self, schema: Mapping[Any, Any], options: Any, keys: Keys, name: str = "") -> dict[str, Any]:
        """The valid options of a section; its problems are noted."""
        found = check(self.document, schema, options, keys, name or str(keys[-1]))
        self.report(found.problems)
        return found.values

    def school(self, sections: Mapping[str, Any]) -> dict[str, Any]:
        if "hub" not in sections:
            return {}
        school = self.checked(schemas.HUB, sections["hub"], ("hub",))
        law = JURISDICTIONS[school.get("jurisdiction", "other")]
        where: Keys = ("hub", "jurisdiction")
        if law.fact:
            severity = Severity.ERROR if law.barred else Severity.WARNING
            self.report(problem_at(self.document, where, law.fact, law.hint, severity))
        return school

    def built(self, school: Mapping[str, Any]) -> School:
        return School(**{**school, "time_zone": self.time_zone(school["time_zone"])})

    def time_zone(self, name: str) -> ZoneInfo:
        if name != AUTO:
            return zone(name)
        found = machine_zone(self.environ)
        if found is None or found.key in ("UTC", "Etc/UTC"):
            fact = (
                "time_zone auto: this machine keeps UTC" if found else "time_zone auto: this machine tells no time zone"
            )
            hint = "name the school's, for example time_zone: Europe/Berlin"
            self.report(problem_at(self.document, ("hub", "time_zone"), fact, hint, Severity.WARNING))
        return found or ZoneInfo("UTC")

    def policy(self, options: Any) -> dict[str, Any]:
        policy = self.checked(schemas.POLICY, options, ("policy",))
        self.strict_alone(policy, ("policy",))
        return policy

    def strict_alone(self, policy: Mapping[str, Any], keys: Keys) -> None:
        threshold, single = policy.get("threshold"), policy.get("single_frame")
        if threshold is not None and single is not None and single < threshold:
            message = f"single_frame ({single:g}) is below threshold ({threshold:g})"
            hint = "one frame alone needs at least the score that several need"
            self.report(problem_at(self.document, (*keys, "single_frame"), message, hint))

    def recognisers(self, sections: Mapping[str, Any], cameras: Sequence[Mapping[str, Any]]) -> list[recognizers.Entry]:
        if "recognizer" not in sections:
            return []
        entries = []
        for keys, options in recognizers.entries_of(sections["recognizer"]):
            members = recognizers.members_of(options)
            schema = schemas.COMBINATIONS.get(members)
            values = self.checked(schema, options, keys, members) if schema else self.part("recognizer", options, keys)
            self.strict_alone(values.get("policy", {}), (*keys, "policy"))
            entries.append(recognizers.Entry(keys, values, members, not members and self.is_service(values)))
        chosen: list[tuple[Keys, str]] = [
            (("cameras", index), camera["recognizer"])
            for index, camera in enumerate(cameras)
            if camera.get("recognizer")
        ]
        self.report(recognizers.problems_of(self.document, entries, chosen))
        return entries

    def is_service(self, values: Mapping[str, Any]) -> bool:
        try:
            spec = self.platforms.spec("recognizer", str(values.get("platform")))
        except LookupError:  # said already
            return False
        return isinstance(spec, RecognizerSpec) and spec.identifier

    def put_together(self, entries: Sequence[recognizers.Entry]) -> Recognizers:
        parts = []
        for entry in entries:
            if not entry.members:
                part = self.plugin("recognizer", entry.values, entry.keys)
                finder = str(entry.values.get("finder", ""))
                policy = PolicySettings(**entry.values.get("policy", {}))
                gallery = self.gallery(part, entry.id)
                parts.append(RecognizerPart(part.platform, entry.id, part.options, part.place, finder, policy, gallery))
        return recognizers.recognizers_of(entries, parts)

    def part(self, kind: Kind, options: Any, keys: Keys) -> dict[str, Any]:
        """A plugin's section: the hub's options and the plugin's, those that are valid."""
        platform = options.get("platform") if isinstance(options, Mapping) else None
        schema = schemas.PARTS[kind]
        if not isinstance(platform, str):
            own = options if not isinstance(options, Mapping) else _only(options, schema)
            return self.checked(schema, own, keys, kind)
        self.platforms.load([platform])
        try:
            spec = self.platforms.spec(kind, platform)
        except LookupError:
            self.report(problem_at(self.document, (*keys, "platform"), *self.unusable(kind, platform)))
            return self.checked(schema, _only(options, schema), keys, kind)
        found = check(self.document, {**spec.config_schema, **schema}, options, keys, platform)
        self.report(found.problems)
        if found.fine and spec.check is not None:
            try:
                spec.check({key: value for key, value in found.values.items() if key not in schema})
            except Exception as error:
                wrong = meaning(error)
                message = f"Invalid config for {platform!r}: {wrong.message}"
                self.report(problem_at(self.document, keys, message, wrong.hint))
        return found.values

    def unusable(self, kind: Kind, platform: str) -> tuple[str, str]:
        for fault in self.platforms.faults:
            if fault.platform == platform:
                return f"the {kind} platform {platform!r} cannot be used: {fault.message}", fault.hint
        return f"the platform {platform!r} is not for a {kind}", "choose another: fras plugins lists them"

    def plugin(self, kind: Kind, values: Mapping[str, Any], keys: Keys) -> Part:
        options = {key: value for key, value in values.items() if key not in schemas.PARTS[kind]}
        platform = str(values["platform"])
        return Part(platform, platform, options, self.document.place(keys))

    def gallery(self, part: Part, name: str) -> str:
        spec = self.platforms.spec("recognizer", part.platform)
        place = spec.place(part.options) if isinstance(spec, RecognizerSpec) and spec.place else name
        return f"{part.platform} {place}"

    def camera(self, values: Mapping[str, Any], keys: Keys) -> CameraPart:
        part = self.plugin("camera", values, keys)
        room, recognizer = str(values["room"]), str(values.get("recognizer", ""))
        return CameraPart(part.platform, str(values["id"]), part.options, part.place, room, recognizer)

    def entries(self, options: Sequence[Any]) -> list[timetable.Entry]:
        entries = []
        for index, option in enumerate(options):
            keys: Keys = ("attendance", "timetable", index)
            cycles = isinstance(option, Mapping) and "every" in option
            schema = schemas.CYCLE if cycles else schemas.LECTURE
            found = check(self.document, schema, option, keys, "timetable")
            self.report(found.problems)
            timed = found.values
            if {"every", "length"} <= timed.keys():
                wrong = list(timetable.rhythm(self.document, keys, timed))
            elif {"start", "end"} <= timed.keys():
                wrong = list(timetable.order(self.document, keys, timed["start"], timed["end"]))
            else:
                continue
            self.report(wrong)
            if found.fine and not wrong:
                entries.append(timetable.Entry.of(timed, self.document, keys))
        self.report(timetable.overlaps(self.document, entries))
        return entries

    def kept(self, keep: Mapping[str, Any]) -> None:
        if {"crops", "facts"} <= keep.keys():
            where: Keys = ("storage", "keep")
            if keep["facts"] < DAY:
                message = "keep->facts is less than a day: registers are derived from facts"
                self.report(problem_at(self.document, where, message, "keep them for some weeks, at least"))
            elif keep["crops"] > keep["facts"]:
                message = "crops are to be kept for longer than the facts they belong to: they go with these"
                hint = "keep crops for a shorter time, or facts for a longer one"
                self.report(problem_at(self.document, where, message, hint, Severity.WARNING))

    def seldom(self, cameras: Iterable[Mapping[str, Any]], gap: timedelta) -> None:
        """Cameras that look so rarely that they would hardly count as watching."""
        written = self.document.places.get(("attendance", "gap"))
        where = f"{written.file}, line {written.line}" if written else "the default"
        for index, camera in enumerate(cameras):
            rhythm = self.rhythm(camera)
            if camera.get(rhythm, timedelta(0)) >= gap:
                every = camera[rhythm]
                keys: Keys = ("cameras", index, rhythm)
                message = (
                    f"this camera looks each {format_duration(every)}, and attendance->gap is {format_duration(gap)}"
                )
                hint = f"write gap: {format_duration(3 * every)}, or its lectures will be marked not observed"
                self.report(problem_at(self.document, keys, f"{message} ({where})", hint, Severity.WARNING))

    def rhythm(self, camera: Mapping[str, Any]) -> str:
        try:
            spec = self.platforms.spec("camera", str(camera.get("platform")))
        except LookupError:  # said already
            return ""
        return spec.rhythm if isinstance(spec, CameraSpec) else ""

    def same_ids(self, cameras: Iterable[Mapping[str, Any]]) -> None:
        seen: dict[str, int] = {}
        for index, camera in enumerate(cameras):
            if "id" not in camera:
                continue
            keys: Keys = ("cameras", index, "id")
            if (first := seen.setdefault(camera["id"], index)) != index:
                line = self.document.place(("cameras", first, "id")).line
                message = f"the camera id {camera['id']!r} is already used in line {line}"
                self.report(problem_at(self.document, keys, message, "give each camera an id of its own"))

    def unwatched(self, entries: Iterable[timetable.Entry], cameras: Sequence[Mapping[str, Any]]) -> None:
        """Says nothing while some camera's room is not known."""
        if all("room" in camera for camera in cameras):
            rooms = [(entry.held.room, (*entry.keys, "room")) for entry in entries]
            self.report(
                timetable.unwatched(self.document, rooms, self.watched | {camera["room"] for camera in cameras})
            )


def _only(options: Mapping[str, Any], schema: Mapping[Any, Any]) -> dict[str, Any]:
    return {key: value for key, value in options.items() if key in schema}
