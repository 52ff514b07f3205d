"""What somebody looks like, and how somebody holds the head: drawn from a seed, never from anybody real."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum

Colour = tuple[float, float, float]
"""Linear light, red, green, blue, 0 to 1."""

SKINS: tuple[Colour, ...] = (
    (0.78, 0.52, 0.40),
    (0.70, 0.44, 0.32),
    (0.62, 0.37, 0.25),
    (0.50, 0.29, 0.18),
    (0.38, 0.20, 0.115),
    (0.25, 0.125, 0.07),
    (0.155, 0.075, 0.045),
)
HAIRS: tuple[Colour, ...] = (
    (0.012, 0.010, 0.010),
    (0.035, 0.020, 0.013),
    (0.085, 0.042, 0.020),
    (0.20, 0.095, 0.040),
    (0.40, 0.24, 0.10),
    (0.62, 0.45, 0.22),
    (0.33, 0.085, 0.025),
    (0.42, 0.41, 0.40),
)
EYES: tuple[Colour, ...] = (
    (0.055, 0.028, 0.014),
    (0.12, 0.065, 0.03),
    (0.14, 0.20, 0.09),
    (0.12, 0.24, 0.38),
    (0.22, 0.28, 0.31),
)
CLOTHES: tuple[Colour, ...] = (
    (0.05, 0.16, 0.34),
    (0.42, 0.06, 0.07),
    (0.05, 0.24, 0.20),
    (0.60, 0.36, 0.04),
    (0.24, 0.10, 0.30),
    (0.55, 0.55, 0.53),
    (0.05, 0.06, 0.08),
    (0.60, 0.22, 0.20),
    (0.16, 0.30, 0.10),
    (0.12, 0.36, 0.50),
)
FRAMES: tuple[Colour, ...] = ((0.012, 0.012, 0.014), (0.12, 0.03, 0.02), (0.02, 0.05, 0.12), (0.30, 0.24, 0.14))


class Hair(StrEnum):
    BALD = "bald"
    CROP = "crop"
    SHORT = "short"
    QUIFF = "quiff"
    FRINGE = "fringe"
    BOB = "bob"
    LONG = "long"
    BUN = "bun"
    CURLS = "curls"
    AFRO = "afro"
    SCARF = "scarf"


class Beard(StrEnum):
    NONE = "none"
    STUBBLE = "stubble"
    MOUSTACHE = "moustache"
    GOATEE = "goatee"
    FULL = "full"


@dataclass(frozen=True, slots=True)
class Look:
    """A head. Shape parameters are deviations from the average, about -1 to 1."""

    seed: int
    width: float
    jaw: float
    chin: float
    cheeks: float
    brow_ridge: float
    nose_length: float
    nose_width: float
    nose_depth: float
    nose_bend: float
    eye_gap: float
    eye_size: float
    eye_tilt: float
    lips: float
    mouth_width: float
    mouth_height: float
    ears: float
    brow_weight: float
    brow_arch: float
    brow_height: float
    shoulders: float
    skin: Colour
    blush: float
    freckles: float
    iris: Colour
    hair: Hair
    hair_colour: Colour
    hair_volume: float
    parting: float
    beard: Beard
    glasses: float | None
    """How square their rims are, 0 to 1; None for no glasses."""
    rims: Colour
    clothes: Colour
    scarf: Colour


@dataclass(frozen=True, slots=True)
class Pose:
    """Degrees; yaw to the picture's right, pitch up, roll clockwise. Expressions from 0 to 1, gaze from -1 to 1."""

    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    smile: float = 0.3
    blink: float = 0.0
    brows: float = 0.0
    gaze: tuple[float, float] = (0.0, 0.0)
    key: float = -0.5
    """Where the main light comes from: -1 the picture's left, 1 its right."""
    light: float = 1.0
    """How bright it is."""


def look(seed: int) -> Look:
    """Somebody, always the same for the same seed."""
    chance = random.Random(f"look {seed}")  # noqa: S311 (a face, not a secret)

    def some() -> float:
        return max(-1.7, min(1.7, chance.gauss(0, 1.0)))

    tone = chance.randrange(len(SKINS))
    dark = [0, 0, 1, 1, 2]
    hairs = dark if tone >= 3 else [*dark, 3, 3, 4, 4, 5, 6, 7]
    eyes = EYES[:2] if tone >= 3 else EYES
    bearded = chance.random() < 0.42
    styles = [Hair.BALD, Hair.CROP, Hair.SHORT, Hair.SHORT, Hair.QUIFF, Hair.CURLS, Hair.FRINGE]
    if not bearded:
        styles = [Hair.SHORT, Hair.CROP, Hair.FRINGE, Hair.QUIFF, Hair.BOB, Hair.BOB, Hair.LONG, Hair.LONG, Hair.BUN]
        styles += [Hair.CURLS, Hair.SCARF]
    if tone >= 4:
        styles += [Hair.AFRO, Hair.AFRO, Hair.CROP]
    base = SKINS[tone]
    warmth = chance.uniform(-0.03, 0.03)
    light = chance.uniform(0.92, 1.08)
    return Look(
        seed=seed,
        width=some(),
        jaw=some() + (0.4 if bearded else -0.15),
        chin=some(),
        cheeks=some(),
        brow_ridge=some() + (0.3 if bearded else -0.2),
        nose_length=some(),
        nose_width=some(),
        nose_depth=some(),
        nose_bend=some(),
        eye_gap=some(),
        eye_size=some(),
        eye_tilt=some(),
        lips=some(),
        mouth_width=some(),
        mouth_height=some(),
        ears=some(),
        brow_weight=some() + (0.5 if bearded else -0.2),
        brow_arch=some(),
        brow_height=some(),
        shoulders=some() + (0.5 if bearded else -0.3),
        skin=(base[0] * light * (1 + warmth), base[1] * light, base[2] * light * (1 - warmth)),
        blush=chance.uniform(0.3, 1.0),
        freckles=chance.uniform(0.4, 1.0) if tone < 3 and chance.random() < 0.3 else 0.0,
        iris=chance.choice(eyes),
        hair=chance.choice(styles),
        hair_colour=HAIRS[chance.choice(hairs)],
        hair_volume=some(),
        parting=chance.choice((-1.0, 1.0)) * chance.uniform(0.3, 1.0),
        beard=chance.choice(list(Beard)[1:]) if bearded else Beard.NONE,
        glasses=chance.random() if chance.random() < 0.33 else None,
        rims=chance.choice(FRAMES),
        clothes=chance.choice(CLOTHES),
        scarf=chance.choice(CLOTHES),
    )
