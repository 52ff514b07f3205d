"""`fras enroll`: a folder of portraits becomes people, consent and templates."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from hub.app import Paths, forget_elsewhere, open_enrolment, open_erasure, open_school
from hub.cli import console
from hub.enrolment import Enrolments, ImageResult, PersonResult
from hub.lock import in_use
from hub.moving import move
from hub.plugin import PluginError
from hub.portraits import read_pupils
from hub.recognition.consent import OBJECTIONS, Consent
from hub.registration import Signature, register_people


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

    Ctrl-C loses nothing: run it again to go on. Without standing consent people are listed as pending, get no
    template, and the exit code is 1.
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
        for name, each in enrolment.each.items():
            async for result in move(each, school.database, school.clock, again=True):
                report.add(replace(result, by=name) if len(enrolment.each) > 1 else result)
        report.end({})
        served = await _elsewhere(where, enrolment, json_lines)
    return 0 if report.complete and served else 1


async def _elsewhere(where: Paths, enrolment: Enrolments, json_lines: bool) -> bool:
    """Enrols with the services, too, and says what they made of the portraits; a running hub does it by itself."""
    if not enrolment.galleries:
        return True
    if in_use(where.data):
        console.say(f"the running hub enrols them with {', '.join(enrolment.galleries)}")
        return True
    done = True
    for name, gallery in enrolment.galleries.items():
        try:
            settled = await gallery.settle()
        except PluginError as error:
            console.say(f"recognizer {name}: not enrolled there yet: {error}")
            console.say("the hub tries again while it runs")
            done = False
            continue
        for (person, sha256), reason in settled.refused.items():
            if json_lines:
                console.emit(
                    {"person": person, "sha256": sha256, "state": "refused", "reason": reason, "recognizer": name}
                )
            else:
                said = f"{console.printable(person)}, picture {sha256[:12]}: refused: {console.printable(reason)}"
                console.say(f"recognizer {name}: {said}")
        serving = settled.sent - len(settled.refused)
        console.say(f"recognizer {name}: {serving} portraits enrolled there, {len(settled.refused)} refused")
    return done


async def _enroll(where: Paths, folder: Path, signature: Signature | None, json_lines: bool) -> int:
    pupils = read_pupils(folder)
    async with open_school(where, report=console.say) as school:
        pending = await register_people(school.database, pupils, signature, school.clock)
        objecting = [person for person, state in pending.items() if state in OBJECTIONS]
        if signature and signature.state in OBJECTIONS and objecting:
            async with open_erasure(school) as erasure:
                for person in objecting:
                    await erasure.pictures(person)
                    for line in console.elsewhere(await forget_elsewhere(school, person)):
                        console.say(line)
        consenting = [pupil for pupil in pupils if pupil.id not in pending]
        report = _Report(json_lines)
        served = True
        if consenting:
            async with open_enrolment(school) as enrolment:
                with console.progress() as bar:
                    portraits = sum(len(pupil.portraits) for pupil in consenting)
                    task = bar.add_task("enrolling", total=portraits * len(enrolment.each))
                    async for result in enrolment.enrol(consenting):
                        report.add(result)
                        bar.update(task, completed=report.portraits)
                report.end(pending)
                served = await _elsewhere(where, enrolment, json_lines)
        else:
            report.end(pending)
    return 0 if report.complete and served and not pending else 1


class _Report:
    """Prints what became of each portrait, and in the end what became of everybody."""

    def __init__(self, json_lines: bool) -> None:
        self._json = json_lines
        self._states: dict[tuple[str, Path, str], str] = {}
        self._counts: dict[tuple[str, str], int] = {}
        self._started = time.monotonic()

    @property
    def portraits(self) -> int:
        """How many there has been a result for."""
        return len(self._states)

    @property
    def complete(self) -> bool:
        """Everybody whose consent stands has a template for every recogniser."""
        return all(self._counts.values())

    @property
    def _images(self) -> dict[str, int]:
        """On how many pictures each person's template rests: of several the one with the fewest."""
        fewest: dict[str, int] = {}
        for (person, _), images in self._counts.items():
            fewest[person] = min(images, fewest.get(person, images))
        return fewest

    def add(self, result: ImageResult | PersonResult) -> None:
        if isinstance(result, PersonResult):
            self._counts[result.person, result.by] = result.images
            if self._json:
                line = {"person": result.person, "template": result.images > 0, "images": result.images}
                console.emit(line | _by(result))
            return
        state = "refused" if result.refusal else "accepted" if result.new else "known"
        self._states[result.person, result.path, result.by] = state
        if self._json:
            refusal = result.refusal or None
            line = {"person": result.person, "path": str(result.path), "state": state, "reason": refusal}
            console.emit(line | _by(result))
        elif result.refusal:
            by = f"recognizer {result.by}: " if result.by else ""
            console.say(f"{by}{console.printable(str(result.path))}: refused: {console.printable(result.refusal)}")

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
            of = f"recognizer {by}: " if by else ""
            console.say(
                f"{of}{console.printable(person)}: no template, for no picture serves; add better ones and enrol again"
            )
        for person, state in pending.items():
            console.say(f"{console.printable(person)}: consent is {state}, so there is no template")
        if any(state is Consent.PENDING for state in pending.values()):
            console.say("record consent with: fras enroll DIR --consent granted --signed-by NAME")


def _by(result: ImageResult | PersonResult) -> dict[str, str]:
    return {"recognizer": result.by} if result.by else {}
