"""`fras enroll`: a folder of portraits becomes people, consent and templates."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from hub.app import Paths, open_enrolment, open_erasure, open_school
from hub.cli import console
from hub.enrolment import ImageResult, PersonResult
from hub.portraits import read_pupils
from hub.recognition.consent import OBJECTIONS, Consent
from hub.registration import Signature, register_people


def enroll(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="DIR/<person id>/*.jpg, with an optional people.csv.")],
    consent: Annotated[
        Consent | None, typer.Option("--consent", help="Record this answer for everybody in DIR.")
    ] = None,
    signed_by: Annotated[
        str | None, typer.Option("--signed-by", callback=console.signer, help="Who signed it.")
    ] = None,
    notice: Annotated[
        str, typer.Option("--notice", callback=console.words, help="The version of the notice they signed.")
    ] = "",
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
    console.run(_enroll(where, folder, signature, json_lines), where)


async def _enroll(where: Paths, folder: Path, signature: Signature | None, json_lines: bool) -> int:
    pupils = read_pupils(folder)
    async with open_school(where, report=console.say) as school:
        pending = await register_people(school.database, pupils, signature, school.clock)
        objecting = [person for person, state in pending.items() if state in OBJECTIONS]
        if signature and signature.state in OBJECTIONS and objecting:
            async with open_erasure(school) as erasure:
                for person in objecting:
                    await erasure.pictures(person)
        consenting = [pupil for pupil in pupils if pupil.id not in pending]
        report = _Report(json_lines)
        if consenting:
            async with open_enrolment(school) as enrolment:
                with console.progress() as bar:
                    task = bar.add_task("enrolling", total=sum(len(pupil.portraits) for pupil in consenting))
                    async for result in enrolment.enrol(consenting):
                        report.add(result)
                        bar.update(task, completed=report.portraits)
        report.end(pending)
    return 0 if report.complete and not pending else 1


class _Report:
    """Prints what became of each portrait, and in the end what became of everybody."""

    def __init__(self, json_lines: bool) -> None:
        self._json = json_lines
        self._states: dict[tuple[str, Path], str] = {}
        self._images: dict[str, int] = {}
        self._started = time.monotonic()

    @property
    def portraits(self) -> int:
        """How many there has been a result for."""
        return len(self._states)

    @property
    def complete(self) -> bool:
        """Everybody whose consent stands has a template."""
        return all(self._images.values())

    def add(self, result: ImageResult | PersonResult) -> None:
        if isinstance(result, PersonResult):
            self._images[result.person] = result.images
            if self._json:
                console.emit({"person": result.person, "template": result.images > 0, "images": result.images})
            return
        state = "refused" if result.refusal else "accepted" if result.new else "known"
        self._states[result.person, result.path] = state
        if self._json:
            refusal = result.refusal or None
            console.emit({"person": result.person, "path": str(result.path), "state": state, "reason": refusal})
        elif result.refusal:
            console.say(f"{console.printable(str(result.path))}: refused: {console.printable(result.refusal)}")

    def end(self, pending: Mapping[str, Consent]) -> None:
        seconds = time.monotonic() - self._started
        count = Counter(self._states.values())
        looked = count["accepted"] + count["refused"]
        speed = f", {looked * 60 / seconds:.0f} a minute" if looked and seconds else ""
        console.say(
            f"{sum(map(bool, self._images.values()))} people with a template; portraits: {count['accepted']} accepted, "
            f"{count['refused']} refused, {count['known']} judged before{speed}"
        )
        for person in (person for person, images in self._images.items() if not images):
            console.say(
                f"{console.printable(person)}: no template, for no picture serves; add better ones and enrol again"
            )
        for person, state in pending.items():
            console.say(f"{console.printable(person)}: consent is {state}, so there is no template")
        if any(state is Consent.PENDING for state in pending.values()):
            console.say("record consent with: fras enroll DIR --consent granted --signed-by NAME")
