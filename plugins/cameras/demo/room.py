"""The picture a demo camera takes: a drawn classroom with the people of a moment in it. Imports Pillow."""

from __future__ import annotations

import io
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache, lru_cache
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from .script import Presence

FIGURES: Final = Path(__file__).parent / "cast" / "figures"
SIZE: Final = (960, 540)
FINE: Final = 2
"""The room is drawn this many times larger and shrunk, for smooth edges."""
DOOR: Final = 92
"""Where people come in, in pixels from the left."""
SCALE: Final = 0.93
"""Of the pictures of people, which show 80 pixels a unit: heads of about 150 pixels."""
CROWN: Final = 1.45
"""Units between a figure's upper edge and the middle of its head."""
BELOW: Final = 90
"""Pixels that a figure is continued below the waist, down behind the desks."""
NOD: Final = 9.0
"""Seconds somebody seated keeps a posture, about."""
QUALITY: Final = 82


@dataclass(frozen=True, slots=True)
class Colours:
    wall: tuple[int, int, int]
    panel: tuple[int, int, int]
    floor: tuple[int, int, int]
    desk: tuple[int, int, int]
    door: tuple[int, int, int]
    accent: tuple[int, int, int]


ROOMS: Final = (
    Colours((222, 214, 198), (196, 186, 166), (150, 122, 92), (178, 136, 92), (116, 84, 62), (46, 92, 78)),
    Colours((196, 209, 214), (165, 183, 192), (128, 124, 122), (158, 132, 108), (72, 96, 118), (182, 92, 62)),
)
BACK: Final = [(278 + 146 * seat, 158) for seat in range(5)]
FRONT: Final = [(176 + 144 * seat, 352) for seat in range(6)]
"""Where the middle of a seated head is."""


def picture(room: int, present: Sequence[Presence], order: Sequence[str], now: datetime, local: str) -> bytes:
    """A JPEG of room 0 or 1 at `now`; `order` gives each person a seat, `local` is the wall clock's time."""
    scene = _background(room).copy()
    seats = {person: seat for seat, person in enumerate(order)}
    rows: dict[int, list[Presence]] = {0: [], 1: [], 2: []}
    for presence in present:
        row = 1 if presence.way < 1 or presence.person not in seats else 0 if seats[presence.person] < len(BACK) else 2
        rows[row].append(presence)
    for presence in rows[0]:
        _seated(scene, presence.person, BACK[seats[presence.person]], now)
    scene.alpha_composite(_floor(room), (0, 316 + 70))
    scene.alpha_composite(_desk(room), (150, 316))
    for presence in rows[1]:
        _walking(scene, presence, seats.get(presence.person), now)
    for presence in rows[2]:
        _seated(scene, presence.person, FRONT[seats[presence.person] - len(BACK)], now)
    scene.alpha_composite(_desk(room), (56, 496))
    _clock(scene, local)
    return _jpeg(scene, now)


def _jpeg(scene: Image.Image, now: datetime) -> bytes:
    """With the grain of a small sensor."""
    grain = np.random.default_rng(int(now.timestamp())).integers(-3, 4, (SIZE[1], SIZE[0], 1), np.int16)
    pixels = np.clip(np.asarray(scene.convert("RGB"), np.int16) + grain, 0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=QUALITY)
    return file.getvalue()


def _seated(scene: Image.Image, person: str, head: tuple[int, int], now: datetime) -> None:
    beat = now.timestamp() / NOD + random.Random(person).random() * 7  # noqa: S311
    posture = random.Random(f"{person} {int(beat)}").choices(  # noqa: S311
        ("smiling", "listening", "ahead", "aside"), (4, 3, 2, 2)
    )[0]
    sway = math.sin(beat * 2.1) * 3
    _place(scene, person, posture, (head[0] + sway, head[1] + abs(sway) * 0.4), SCALE)


def _walking(scene: Image.Image, presence: Presence, seat: int | None, now: datetime) -> None:
    """Between the door and the seat, along the aisle between the rows."""
    target = _target(seat)
    x = DOOR + (target[0] - DOOR) * presence.way
    y = 206 + (target[1] - 206) * max(0.0, presence.way - 0.75) * 4
    step = abs(math.sin(x / 26)) * 7 if presence.way < 1 else 0.0
    if presence.way >= 1:
        facing = "ahead"
    elif presence.leaving:
        facing = "half-left" if int(x / 60) % 2 else "left"
    else:
        facing = ("right", "half-right", "ahead")[min(2, int(presence.way * 3))]
    _place(scene, presence.person, facing, (x, y - step), SCALE)


def _target(seat: int | None) -> tuple[int, int]:
    if seat is None:
        return 196, 200
    return BACK[seat] if seat < len(BACK) else FRONT[seat - len(BACK)]


def _place(scene: Image.Image, person: str, name: str, head: tuple[float, float], scale: float) -> None:
    figure = _figure(person, name, scale)
    left = round(head[0] - figure.width / 2)
    top = round(head[1] - CROWN * 80 * scale)
    box = (max(0, -left), max(0, -top), min(figure.width, SIZE[0] - left), min(figure.height, SIZE[1] - top))
    if box[0] < box[2] and box[1] < box[3]:
        scene.alpha_composite(figure, (max(0, left), max(0, top)), box)


@lru_cache(maxsize=48)
def _figure(person: str, name: str, scale: float) -> Image.Image:
    with Image.open(FIGURES / person / f"{name}.webp") as found:
        figure = found.convert("RGBA")
    figure = figure.resize((round(figure.width * scale), round(figure.height * scale)), Image.Resampling.LANCZOS)
    waist = figure.height - 2
    below = figure.crop((0, waist, figure.width, waist + 1)).resize((figure.width, BELOW))
    figure = figure.crop((0, 0, figure.width, waist + BELOW))
    figure.paste(below, (0, waist))
    return figure


@cache
def _background(room: int) -> Image.Image:
    colours = ROOMS[room]
    wide, high = (side * FINE for side in SIZE)
    image = Image.new("RGB", (wide, high), colours.wall)
    draw = ImageDraw.Draw(image)

    def rectangle(x: float, y: float, w: float, h: float, fill: tuple[int, int, int], radius: float = 0) -> None:
        box = [part * FINE for part in (x, y, x + w, y + h)]
        draw.rounded_rectangle(box, radius * FINE, fill)

    rectangle(0, 330, 960, 60, colours.panel)
    rectangle(0, 388, 960, 152, colours.floor)
    rectangle(0, 384, 960, 7, _shaded(colours.panel, 0.8))
    rectangle(14, 58, 150, 332, _shaded(colours.door, 0.75), 4)  # the door and its frame
    rectangle(24, 68, 130, 322, colours.door, 2)
    rectangle(42, 92, 94, 96, _shaded(colours.wall, 0.93), 3)
    rectangle(132, 226, 12, 26, (206, 190, 140), 4)
    if room == 0:
        rectangle(226, 34, 420, 150, (96, 72, 50), 4)  # a board with a drawing
        rectangle(234, 42, 404, 134, colours.accent, 2)
        for number, curve in enumerate((3.1, 4.3)):
            line = [(FINE * (262 + 3 * x), FINE * (110 + 34 * math.sin(x / 100 * curve + number))) for x in range(112)]
            draw.line(line, (214, 224, 214), 3 * FINE, joint="curve")
        _window(rectangle, 716, 40, 206, 190, colours)
    else:
        _window(rectangle, 232, 40, 190, 178, colours)
        _window(rectangle, 452, 40, 190, 178, colours)
        rectangle(700, 70, 220, 190, _shaded(colours.panel, 0.72), 4)  # a shelf with books
        for shelf in range(2):
            books = random.Random(shelf)  # noqa: S311
            x = 710.0
            while x < 898:
                width, height = books.uniform(8, 16), books.uniform(52, 78)
                tone = books.choice(((178, 82, 66), (72, 112, 140), (206, 174, 96), (92, 132, 96), (140, 104, 140)))
                rectangle(x, 164 + 88 * shelf - height, width, height, tone, 1)
                x += width + 2
            rectangle(704, 164 + 88 * shelf, 212, 6, _shaded(colours.panel, 0.55))
    small = image.resize(SIZE, Image.Resampling.LANCZOS).filter(ImageFilter.GaussianBlur(1.1))
    light = np.asarray(small, np.float32) * _falloff()[..., None]
    return Image.fromarray(np.clip(light, 0, 255).astype(np.uint8)).convert("RGBA")


def _window(rectangle: object, x: float, y: float, w: float, h: float, colours: Colours) -> None:
    assert callable(rectangle)
    rectangle(x, y, w, h, (238, 236, 228), 4)
    rectangle(x + 9, y + 9, w - 18, h - 18, (186, 214, 232))
    rectangle(x + 9, y + h * 0.62, w - 18, h * 0.38 - 9, (150, 186, 146))
    rectangle(x + w / 2 - 4, y, 8, h, (238, 236, 228))
    rectangle(x - 8, y + h, w + 16, 9, _shaded(colours.panel, 0.9), 2)


def _falloff() -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Light from the right, less towards the corners."""
    y, x = np.mgrid[0 : SIZE[1], 0 : SIZE[0]].astype(np.float32)
    across, down = x / SIZE[0], y / SIZE[1]
    return np.asarray(0.90 + 0.14 * across - 0.10 * (down - 0.3) ** 2 - 0.06 * (across - 0.5) ** 2, np.float32)


@cache
def _desk(room: int) -> Image.Image:
    """As wide as the picture; what stands out of it is cut off."""
    image = Image.new("RGBA", (SIZE[0], 72))
    draw = ImageDraw.Draw(image)
    top = ROOMS[room].desk
    draw.rectangle((6, 22, SIZE[0], 72), (*_shaded(top, 0.62), 255))
    draw.rounded_rectangle((0, 0, SIZE[0] + 20, 23), 5, (*_shaded(top, 0.78), 255))
    draw.rounded_rectangle((0, 0, SIZE[0] + 20, 17), 5, (*top, 255))
    return image


@cache
def _floor(room: int) -> Image.Image:
    """What of the room is before the back row's feet."""
    return _background(room).crop((0, 316 + 70, *SIZE))


def _clock(scene: Image.Image, local: str) -> None:
    """The clock on the wall, and in the corner what this is."""
    draw = ImageDraw.Draw(scene)
    hours, minutes, _ = (int(part) for part in local.split(":"))
    x, y, radius = 680, 58, 24
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), (246, 244, 238), (70, 66, 62), 3)
    for turn, reach, width in ((hours / 12 + minutes / 720, 11, 4), (minutes / 60, 18, 2)):
        angle = 2 * math.pi * turn
        draw.line((x, y, x + reach * math.sin(angle), y - reach * math.cos(angle)), (50, 48, 46), width)
    draw.text((14, 12), f"Rendered demo · {local}", (255, 255, 255), _font(), stroke_width=1, stroke_fill=(40, 40, 40))


@cache
def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(15)


def _shaded(colour: tuple[int, int, int], by: float) -> tuple[int, int, int]:
    red, green, blue = (min(255, round(part * by)) for part in colour)
    return red, green, blue
