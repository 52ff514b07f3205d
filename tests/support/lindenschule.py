"""Three weeks of a small school for people to look at: names of many scripts, every status, every state of a camera."""

from __future__ import annotations

import io
import random
from datetime import datetime, timedelta

from PIL import Image, ImageDraw

from hub.db.people import Person
from hub.runtime.health import Health, State
from tests.support.panel import MONDAY, Panel, at

NAMES = (
    "Ada Byron", "Björn Ångström", "Chidi Anagonye", "Dilnoza Karimova", "Élodie Lefèvre", "Fatima az-Zahra",
    "Grace Okafor", "Hiroshi 田中", "İpek Yılmaz", "João da Conceição", "Kwame Mensah", "Łucja Wiśniewska",
    "Mei-Ling Chen", "Νίκος Παπαδόπουλος", "Oksana Шевченко", "Priya Raghunathan", "Quentin D’Arcy",
    "ريم الحداد", "Søren Kierkegaard-Rasmussen", "Thảo Nguyễn", "Uxía Castro", "Vasile Popescu",
    "Wilhelmina van der Meer", "Xóchitl Hernández", "Yael Ben-David", "Zoë O’Brien",
)  # fmt: skip
NOW = at("09:31:20")


def people() -> list[Person]:
    return [Person(f"26-{number:04}", name, "10A" if number % 3 else "10B") for number, name in enumerate(NAMES, 1)]


def portrait(seed: int) -> bytes:
    """A drawing that is obviously one."""
    chance = random.Random(seed)
    skin = chance.choice([(244, 212, 186), (226, 178, 142), (189, 132, 92), (141, 92, 62), (96, 62, 44)])
    hair = chance.choice([(36, 28, 26), (84, 52, 32), (176, 124, 62), (120, 60, 36), (60, 60, 70)])
    image = Image.new("RGB", (320, 400), chance.choice([(196, 205, 212), (206, 200, 190), (184, 196, 188)]))
    draw = ImageDraw.Draw(image)
    draw.ellipse((60, 300, 260, 520), fill=chance.choice([(60, 84, 132), (132, 68, 74), (70, 110, 92), (96, 84, 120)]))
    draw.rectangle((138, 260, 182, 330), fill=skin)
    if chance.random() < 0.5:
        draw.ellipse((72, 74, 248, 340), fill=hair)
    draw.ellipse((86, 80, 234, 300), fill=skin)
    draw.pieslice((80, 62, 240, 260), 180, 360, fill=hair)
    draw.rectangle((96, 150, 224, 165), fill=skin)
    for x in (130, 190):
        draw.ellipse((x - 9, 178, x + 9, 194), fill=(250, 250, 250))
        draw.ellipse((x - 5, 180, x + 5, 192), fill=(40, 34, 32))
        if seed % 4 == 0:
            draw.ellipse((x - 22, 166, x + 22, 206), outline=(40, 40, 46), width=4)
    draw.line((160, 196, 154, 228, 164, 230), fill=tuple(int(c * 0.82) for c in skin), width=4)
    draw.arc((132, 226, 188, 262), 20, 160, fill=(150, 72, 70), width=5)
    kept = io.BytesIO()
    image.save(kept, "JPEG", quality=82)
    return kept.getvalue()


PICTURES = {person.id: portrait(number) for number, person in enumerate(people())}


async def fill(panel: Panel, days: int = 21) -> None:
    """The school days of `days` days up to this Monday, which is half through its first hour."""
    chance = random.Random(7)
    everybody = people()
    await panel.enrol(*everybody[:-3])
    await panel.enrol(*everybody[-3:], granted=False)
    recognised = everybody[:-3]
    for back in range(days, -1, -1):
        day = MONDAY - timedelta(days=back)
        if day.weekday() > 4:
            continue
        today = not back
        for camera, room_class in (("door-101", "10A"), ("back-101", "10A"), ("door-102", "10B")):
            end = NOW if today else at("10:52", day)
            if back == 5 and room_class == "10A":
                await panel.watched(camera, at("08:55", day), at("09:20", day))
                await panel.watched(camera, at("09:58", day), end)
            elif not (today and camera == "back-101"):
                await panel.watched(camera, at("08:50", day), end)
        sights: list[tuple[str | None, str, datetime]] = []
        for person in recognised:
            if (luck := chance.random()) < 0.05 and not today:
                continue
            door = "door-101" if person.class_name == "10A" else "door-102"
            minute = chance.gauss(-2, 3.2) if luck < 0.92 else chance.uniform(11, 24)
            moment = at("09:00", day) + timedelta(minutes=minute, seconds=chance.randrange(60))
            if today and chance.random() < 0.2:
                continue
            if back == 5 and person.class_name == "10A" and minute > 15:
                continue
            for _ in range(chance.randrange(2, 6) if today else 1):
                if moment < (NOW if today else at("09:50", day)):
                    sights.append((person.id, door, moment))
                moment += timedelta(minutes=chance.uniform(1, 7))
            if not today and person.class_name == "10A":
                sights.append((person.id, door, at("10:00", day) + timedelta(minutes=chance.uniform(-6, 8))))
        if today:
            sights += [(None, "door-101", at("09:12", day)), (None, "door-101", at("09:13", day))]
        await panel.seen(sorted(sights, key=lambda sight: sight[2]), score=round(chance.uniform(0.64, 0.83), 3))
        panel.clock.moment = NOW if today else at("13:00", day)
        await panel.draw(day)
    panel.health |= healths()


def healths() -> dict[str, Health]:
    """A camera that works, one that does not, and one that did not."""
    return {
        "door-101": Health(State.RUNNING, at("08:40"), last_event_at=NOW),
        "back-101": Health(
            State.RETRYING,
            at("08:52"),
            last_error="the folder incoming cannot be read: Permission denied",
            hint="give the user that runs fras the right to read it",
            restarts=4,
        ),
        "door-102": Health(
            State.RUNNING, at("08:40"), last_error="the network was away for 40 s", restarts=1, last_event_at=NOW
        ),
    }
