"""`fras enroll`: a folder of portraits becomes people, consent and templates."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from hub.app import Paths, open_enrolment, open_erasure, open_school
from hub.cli import console
from hub.enrolling import Enrolments, Result, Stopped
from hub.enrolment import PersonResult
from hub.leaving import forget_elsewhere
from hub.lock import in_use
from hub.moving import move
from hub.plugin import PluginError
from hub.portraits import read_pupils
from hub.recognition.consent import OBJECTIONS, Consent
from hub.registration import Signature, register_people
from hub.remote_galleries import RemoteGallery


def enroll(
    folder: Annotated[
        Path | None, typer.Argument(metavar="DIR", help="DIR/<person id>/*.jpg, with an optional people.csv.")
    ] = None,
    consent: Annotated[
        Consent | None, typer.Option("--consent", help="Record this answer for everybody in DIR.")
    ] = None,
    signed_by: Annotated[
        str | None, typer.Option("--signed-by", callback=console.signer, help="Who signed it.")
    ] = None,
    notice: Annotated[
        str, typer.Option("--notice", callback=console.words, help="The version of the notice they signed.")
    ] = "",
    again: Annotated[
        bool, typer.Option("--again", help="Instead of DIR: try the pictures kept of everybody, for every recogniser.")
    ] = False,
    json_lines: console.JsonOption = False,
    config: console.ConfigOption = console.CONFIG,
    data: console.DataOption = None,
) -> None:
    """Enrols everybody in DIR whose consent stands; pictures that cannot serve are told why.

    Ctrl-C loses nothing: run it again to go on. Where one of several recognisers does not work now, everybody is
    enrolled with the others, and who is missing is listed: run it again. Without standing consent people are listed as
    pending and get no template. In all these cases, and where a service refuses every portrait of somebody, the exit
    code is 1.
    """
    if (consent is None) != (signed_by is None):
        raise typer.BadParameter("--consent and --signed-by belong together: consent is somebody's signature")
    signature = Signature(consent, signed_by or "", notice) if consent else None
    where = console.paths(config, data)
    if again:
        if folder is not None or signature is not None:
            raise typer.BadParameter("--again takes no DIR and no --consent: it uses what is kept of everybody")
        console.run(_again(where, json_lines), where)
    elif folder is None:
        raise typer.BadParameter("give the folder of portraits, DIR, or --again")
    else:
        console.run(_enroll(where, folder, signature, json_lines), where)


async def _again(where: Paths, json_lines: bool) -> int:
    async with open_school(where, report=console.say) as school, open_enrolment(school) as enrolment:
        report = _Report(json_lines)
        async for result in enrolment.by_each(lambda each: move(each, school.database, school.clock, again=True)):
            report.add(result)
        report.end({})
        report.lack_what_stopped([], enrolment.unable)
        await _elsewhere(where, enrolment, report, None)
    return 0 if report.complete else 1


async def _elsewhere(where: Paths, enrolment: Enrolments, report: _Report, people: Collection[str] | None) -> None:
    """Enrols with the services, too, and says what they made of the portraits; a running hub does it by itself.

    Whom of `people`, or of everybody, a service refused altogether is said each time.
    """
    beside_a_hub = bool(enrolment.galleries) and in_use(where.data)
    for name, gallery in enrolment.galleries.items():
        if beside_a_hub and gallery.open:
            report.left_to_the_hub(name, await gallery.unsent())
        else:
            await _send(name, gallery, report)
        unserved = [person for person in await gallery.unserved() if people is None or person in people]
        report.unserved(name, unserved)


async def _send(name: str, gallery: RemoteGallery, report: _Report) -> None:
    try:
        settled = await gallery.settle()
    except PluginError as error:
        report.lack(name, await gallery.unsent(), error)
        console.say("when that works: fras people reconcile, or enrol again; a running hub does so by itself")
        return
    for (person, sha256), reason in settled.refused.items():
        report.refused_there(name, person, sha256, reason)
    serving = settled.sent - len(settled.refused)
    console.say(f"recognizer {name}: {serving} portraits enrolled there, {len(settled.refused)} refused")


async def _enroll(where: Paths, folder: Path, signature: Signature | None, json_lines: bool) -> int:
    pupils = read_pupils(folder)
    async with open_school(where, report=console.say) as school:
        pending = await register_people(school.database, pupils, signature, school.clock)
        objecting = [person for person, state in pending.items() if state in OBJECTIONS]
        if signature and signature.state in OBJECTIONS and objecting:
            async with open_erasure(school) as erasure:
                for person in objecting:
                    for line in console.elsewhere(await forget_elsewhere(school, person)):  # first: storage may be away
                        console.say(line)
                    await erasure.pictures(person)
        consenting = [pupil for pupil in pupils if pupil.id not in pending]
        report = _Report(json_lines)
        if consenting:
            async with open_enrolment(school) as enrolment:
                with console.progress() as bar:
                    portraits = sum(len(pupil.portraits) for pupil in consenting)
                    task = bar.add_task("enrolling", total=portraits * len(enrolment.each))
                    async for result in enrolment.enrol(consenting):
                        report.add(result)
                        bar.update(task, completed=report.portraits)
                report.end(pending)
                people = [pupil.id for pupil in consenting]
                report.lack_what_stopped(people, enrolment.unable)
                await _elsewhere(where, enrolment, report, people)
        else:
            report.end(pending)
    return 0 if report.complete and not pending else 1


class _Report:
    """Prints what became of each portrait, and in the end what became of everybody."""

    def __init__(self, json_lines: bool) -> None:
        self._json = json_lines
        self._states: dict[tuple[str, Path, str], str] = {}
        self._counts: dict[tuple[str, str], int] = {}
        self._stopped: dict[str, PluginError] = {}
        self._lacking = False
        self._started = time.monotonic()

    @property
    def portraits(self) -> int:
        """How many there has been a result for."""
        return len(self._states)

    @property
    def complete(self) -> bool:
        """Everybody whose consent stands is enrolled with every recogniser."""
        return all(self._counts.values()) and not self._stopped and not self._lacking

    @property
    def _images(self) -> dict[str, int]:
        """On how many pictures each person's template rests: of several the one with the fewest."""
        fewest: dict[str, int] = {}
        for (person, _), images in self._counts.items():
            fewest[person] = min(images, fewest.get(person, images))
        return fewest

    def add(self, result: Result) -> None:
        if isinstance(result, Stopped):
            self._stopped[result.by] = result.why
            return
        if isinstance(result, PersonResult):
            self._counts[result.person, result.by] = result.images
            if self._json:
                line = {"person": result.person, "template": result.images > 0, "images": result.images}
                console.emit(line | _by(result.by))
            return
        state = "refused" if result.refusal else "accepted" if result.new else "known"
        self._states[result.person, result.path, result.by] = state
        if self._json:
            refusal = result.refusal or None
            line = {"person": result.person, "path": str(result.path), "state": state, "reason": refusal}
            console.emit(line | _by(result.by))
        elif result.refusal:
            path, refusal = console.printable(str(result.path)), console.printable(result.refusal)
            console.say(f"{_of(result.by)}{path}: refused: {refusal}")

    def refused_there(self, name: str, person: str, sha256: str, reason: str) -> None:
        """What a service said of a portrait that was sent to it."""
        if self._json:
            line = {"person": person, "sha256": sha256, "state": "refused", "reason": reason}
            console.emit(line | _by(name))
        else:
            said = f"{console.printable(person)}, picture {sha256[:12]}: refused: {console.printable(reason)}"
            console.say(f"{_of(name)}{said}")

    def unserved(self, name: str, people: Sequence[str]) -> None:
        """Whom a service does not recognise, for no portrait serves there."""
        for person in people:
            self._counts[person, name] = 0
            if self._json:
                console.emit({"person": person, "template": False, "images": 0} | _by(name))
            console.say(
                f"{_of(name)}{console.printable(person)}: not recognised there, for no portrait serves; "
                "fras people show says why; add better ones and enrol again"
            )

    def left_to_the_hub(self, name: str, people: Sequence[str]) -> None:
        for person in people if self._json else ():
            console.emit({"person": person, "state": "waiting", "reason": "the running hub enrols them"} | _by(name))
        if people:
            console.say(f"{_of(name)}the running hub enrols {', '.join(map(console.printable, people))}")

    def lack(self, by: str, people: Sequence[str], why: PluginError) -> None:
        """Why a recogniser does not work, and who is therefore not enrolled with it, though they consented."""
        self._lacking = True
        console.say(f"{_of(by)}{why}")
        for person in people if self._json else ():
            console.emit({"person": person, "state": "missing", "reason": str(why)} | _by(by))
        if people:
            console.say(f"{_of(by)}not enrolled yet: {', '.join(map(console.printable, people))}")

    def lack_what_stopped(self, people: Sequence[str], unable: Mapping[str, PluginError]) -> None:
        """The same for all of `people`, for the recognisers that stopped or could not begin."""
        for by, why in unable.items():
            self.lack(by, people, why)
        for by, why in self._stopped.items():
            self.lack(by, [person for person in people if (person, by) not in self._counts], why)
        if self._lacking:
            console.say(
                "when that works: enrol again, or fras enroll --again; a running hub enrols who has no template"
            )

    def end(self, pending: Mapping[str, Consent]) -> None:
        seconds = time.monotonic() - self._started
        count = Counter(self._states.values())
        looked = count["accepted"] + count["refused"]
        speed = f", {looked * 60 / seconds:.0f} a minute" if looked and seconds else ""
        console.say(
            f"{sum(map(bool, self._images.values()))} people with a template; portraits: {count['accepted']} accepted, "
            f"{count['refused']} refused, {count['known']} judged before{speed}"
        )
        for person, by in (one for one, images in self._counts.items() if not images):
            console.say(
                f"{_of(by)}{console.printable(person)}: no template, for no picture serves; "
                "add better ones and enrol again"
            )
        for person, state in pending.items():
            console.say(f"{console.printable(person)}: consent is {state}, so there is no template")
        if any(state is Consent.PENDING for state in pending.values()):
            console.say("record consent with: fras enroll DIR --consent granted --signed-by NAME")


def _by(name: str) -> dict[str, str]:
    return {"recognizer": name} if name else {}


def _of(name: str) -> str:
    return f"recognizer {name}: " if name else ""
