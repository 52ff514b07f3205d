"""`fras people`: who is known, with which consent, and taking leave of somebody."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import typer

from hub.app import Paths, open_erasure, open_remote_galleries, open_school
from hub.cli import console
from hub.failure import Failure
from hub.leaving import abandon, forget_elsewhere
from hub.overview.services import at_services
from hub.people import Known, Roll
from hub.plugin import PluginError
from hub.recognition.consent import Consent
from hub.reconciling import Drift
from hub.remote_galleries import Settled

app = typer.Typer(name="people", help="Who is known, and whose consent stands.", no_args_is_help=True)

PersonArgument = Annotated[str, typer.Argument(metavar="PERSON", callback=console.words, help="The person's id.")]


@app.command("list")
def list_people(
    json_lines: console.JsonOption = False,
    config: console.ConfigOption = console.CONFIG,
    data: console.DataOption = None,
) -> None:
    """Everybody, with class, consent and the pictures their template rests on."""
    where = console.paths(config, data)
    console.run(_list(where, json_lines), where)


@app.command("show")
def show(
    person: PersonArgument,
    json_lines: console.JsonOption = False,
    config: console.ConfigOption = console.CONFIG,
    data: console.DataOption = None,
) -> None:
    """One person: consent signer by signer, and what became of each portrait, here and at services."""
    where = console.paths(config, data)
    console.run(_show(where, person, json_lines), where)


@app.command("add")
def add(
    person: PersonArgument,
    name: Annotated[
        str, typer.Option("--name", callback=console.words, help="The name staff see; by default the id.")
    ] = "",
    class_name: Annotated[
        str, typer.Option("--class", callback=console.words, help="The class whose lectures they attend.")
    ] = "",
    config: console.ConfigOption = console.CONFIG,
    data: console.DataOption = None,
) -> None:
    """Adds somebody without pictures: in the register, marked by hand."""
    where = console.paths(config, data)
    console.run(_add(where, person, name or None, class_name or None), where)


@app.command("consent")
def consent(
    person: PersonArgument,
    state: Annotated[Consent, typer.Argument(help="What they said.")],
    signed_by: Annotated[
        str, typer.Option("--signed-by", callback=console.signer, help="Who said it: a parent, or the pupil.")
    ],
    notice: Annotated[
        str, typer.Option("--notice", callback=console.words, help="The version of the notice they signed.")
    ] = "",
    config: console.ConfigOption = console.CONFIG,
    data: console.DataOption = None,
) -> None:
    """Records consent, refusal or withdrawal. One objection ends recognition at once and deletes the templates."""
    where = console.paths(config, data)
    console.run(_consent(where, person, state, signed_by, notice), where)


@app.command("remove")
def remove(
    person: PersonArgument,
    config: console.ConfigOption = console.CONFIG,
    data: console.DataOption = None,
) -> None:
    """Deletes a person with templates, portraits, crops, sightings and marks, at services too.

    Where a service could not delete them yet, run it again: it says when that is done.
    """
    where = console.paths(config, data)
    console.run(_remove(where, person), where)


@app.command("reconcile")
def reconcile(
    deleted: Annotated[
        str | None,
        typer.Option("--deleted", metavar="GALLERY", help="Instead: you deleted this former gallery at the provider."),
    ] = None,
    json_lines: console.JsonOption = False,
    config: console.ConfigOption = console.CONFIG,
    data: console.DataOption = None,
) -> None:
    """Compares what services such as Azure Face hold with consent, and repairs it; a running hub does so every hour."""
    where = console.paths(config, data)
    console.run(_reconcile(where, json_lines) if deleted is None else _abandon(where, deleted), where)


async def _list(where: Paths, json_lines: bool) -> int:
    async with open_school(where, read_only=True) as school:
        known = await Roll(school.database, school.clock).everybody()
    if json_lines:
        for one in known:
            console.emit(_record(one))
        return 0
    if not known:
        console.say("nobody is enrolled yet: fras enroll DIR --consent granted --signed-by NAME")
        return 0
    headings = ("id", "name", "class", "consent", "pictures")
    console.columns(
        [headings, *((one.id, one.name, one.class_name or "", str(one.consent), str(one.images)) for one in known)]
    )
    return 0


def _record(one: Known) -> dict[str, object]:
    return {
        "person": one.id,
        "name": one.name,
        "class": one.class_name,
        "consent": str(one.consent),
        "images": one.images,
    }


async def _show(where: Paths, person: str, json_lines: bool) -> int:
    async with open_school(where, read_only=True) as school:
        roll = Roll(school.database, school.clock)
        one = await roll.one(person)
        said = await roll.consent_of(person)
        portraits = await roll.portraits_of(person)
        services = await at_services(school.database, school.settings, person, school.clock.now())
    if json_lines:
        events = [
            {
                "signer": event.signer,
                "state": str(event.state),
                "at": event.at.isoformat(),
                "notice": event.notice_version,
                "expires_at": event.expires_at.isoformat() if event.expires_at else None,
            }
            for event in said
        ]
        images = [
            {"sha256": image.source_sha256, "state": str(image.state), "reason": image.reason} for image in portraits
        ]
        elsewhere = [
            {
                "recognizer": service.name,
                "serving": service.serving,
                "refused": [{"sha256": sha256, "reason": reason} for sha256, reason in service.refused.items()],
                "to_delete": service.leaving,
                "former": service.former,
            }
            for service in services
        ]
        console.emit(_record(one) | {"events": events, "portraits": images, "services": elsewhere})
        return 0
    console.tell(f"{console.printable(one.name)} ({console.printable(one.id)})", style="bold")
    console.tell(f"  class    {console.printable(one.class_name or '–')}")
    console.tell(f"  consent  {one.consent}")
    for event in said:
        notice = f", notice {console.printable(event.notice_version)}" if event.notice_version else ""
        at = event.at.astimezone(school.zone)
        console.tell(
            f"           {at:%Y-%m-%d %H:%M} {event.state} signed by {console.printable(event.signer)}{notice}"
        )
    console.tell(f"  pictures {one.images} in the template, {len(portraits)} looked at")
    for image in portraits:
        if image.reason:
            console.tell(f"           {image.source_sha256[:12]} refused: {console.printable(image.reason)}")
    for service in services:
        console.tell(f"  service  {console.printable(service.name)}: {service.standing}")
        for sha256, reason in service.refused.items():
            console.tell(f"           {sha256[:12]} refused: {console.printable(reason)}")
    return 0


async def _add(where: Paths, person: str, name: str | None, class_name: str | None) -> int:
    async with open_school(where) as school:
        known = await Roll(school.database, school.clock).add(person, name, class_name)
    console.say(f"{console.printable(known.name)} ({console.printable(person)}) is entered; consent is {known.consent}")
    return 0


async def _consent(where: Paths, person: str, state: Consent, signer: str, notice: str) -> int:
    if state is Consent.PENDING:
        raise Failure("nobody can sign 'pending'", hint="record granted, refused or withdrawn")
    async with open_school(where) as school:
        amounts_to = await Roll(school.database, school.clock).sign(person, state, signer, notice)
        console.say(f"recorded; consent for {console.printable(person)} is now {amounts_to}")
        if amounts_to is not Consent.GRANTED:
            said = await forget_elsewhere(school, person)  # first: storage may be away
            _say_elsewhere(said, "fras people reconcile")
            async with open_erasure(school) as erasure:
                pictures = await erasure.pictures(person)
            console.say(f"templates are deleted, and {pictures} pictures with them")
    return 0


async def _remove(where: Paths, person: str) -> int:
    async with open_school(where, report=console.say) as school:
        known = await Roll(school.database, school.clock).knows(person)
        if known:
            async with open_erasure(school) as erasure:
                pictures = await erasure.person(person)
            console.say(f"removed {console.printable(person)}, and {pictures} pictures with them")
        said = await forget_elsewhere(school, person)
    _say_elsewhere(said, f"fras people remove {console.printable(person)}")
    if not known and not said:
        raise Failure(
            f"nobody has the id {person!r}",
            hint="fras people list shows everybody; no service that was sent anything of that id holds it any more",
        )
    return 0 if known or not any(said.values()) else 1


def _say_elsewhere(said: Mapping[str, str], again: str) -> None:
    for line in console.elsewhere(said):
        console.say(line)
    if any(said.values()):
        console.say(f"a running hub tries until it is done; {again} tries now, and says whether it is")


async def _reconcile(where: Paths, json_lines: bool) -> int:
    done = True
    async with open_school(where, report=console.say) as school, open_remote_galleries(school) as galleries:
        if not galleries:
            console.say("no recogniser of hub.yaml keeps a gallery of its own")
        for name, gallery in galleries.items():
            try:
                drift = await gallery.reconcile()
                settled = await gallery.settle()
            except PluginError as error:
                console.say(f"recognizer {name}: not compared to the end: {error}")
                done = False
            else:
                _tell(name, drift, settled, json_lines)
    return 0 if done else 1


async def _abandon(where: Paths, gallery: str) -> int:
    async with open_school(where) as school:
        people = await abandon(school, gallery)
    console.say(f"{console.printable(gallery)}: {people} people are noted as deleted there, because you said so")
    return 0


def _tell(name: str, drift: Drift, settled: Settled, json_lines: bool) -> None:
    forgotten = sorted({*drift.forgotten, *settled.forgotten})
    if json_lines:
        refused = [
            {"person": person, "sha256": sha256, "reason": reason}
            for (person, sha256), reason in settled.refused.items()
        ]
        line = {"forgotten": forgotten, "missing": list(drift.missing), "sent": settled.sent}
        console.emit({"recognizer": name, **line, "refused": refused})
        return
    console.say(
        f"recognizer {name}: {len(forgotten)} people without standing consent deleted there, "
        f"{len(drift.missing)} missing there; {settled.sent} portraits sent, {len(settled.refused)} refused"
    )
    for person in forgotten:
        console.say(f"  {console.printable(person)}: deleted there")
    for person in drift.missing:
        console.say(f"  {console.printable(person)}: was missing there")
    for (person, sha256), reason in settled.refused.items():
        console.say(f"  {console.printable(person)}, picture {sha256[:12]}: {console.printable(reason)}")
