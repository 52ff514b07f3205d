"""What flows between the hub and its plugins: frozen records with units in their docstrings.

No record here has, or may ever get, a field for emotion, age, gender or ethnicity.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Pixels: TypeAlias = npt.NDArray[np.uint8]
"""Shape (height, width, 3), RGB, upright."""

Embedding: TypeAlias = npt.NDArray[np.float32]
"""Shape (dimension,), as the model gave it (not normalised)."""


def utc(moment: datetime) -> datetime:
    """`moment` itself; raises ValueError unless it is aware and in UTC."""
    if moment.utcoffset() != timedelta(0):
        raise ValueError(f"{moment!r} is not an aware UTC datetime")
    return moment


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels of the upright original image: left, top, width, height."""

    x: float
    y: float
    w: float
    h: float


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A decoded image.

    `pixels` may be smaller than the original: `scale` is decoded pixels per original pixel (at most 1), and
    `width` and `height` are the original's, upright.
    """

    pixels: Pixels
    width: int
    height: int
    scale: float = 1.0


@dataclass(frozen=True, slots=True)
class Frame:
    """One image of one camera.

    `epoch` and `seq` number it within its camera: the pair is what makes delivery idempotent, so the same
    image must get the same pair after a restart. `captured_at` is UTC by the capturing clock; `skew` is how
    far that clock is estimated to run ahead. `image` holds the encoded file (JPEG, PNG, ...). A `live` frame
    may be superseded by a newer one. `origin` tells a person where it came from (a file's name); it is
    stored and shown, never logged.
    """

    epoch: int
    seq: int
    captured_at: datetime
    image: bytes
    live: bool = False
    skew: timedelta = timedelta(0)
    origin: str = ""

    def __post_init__(self) -> None:
        utc(self.captured_at)


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The camera watched until `until` (UTC) and everything captured before that has been yielded.

    `lens` is what the camera knows of its own sight, between 0 (covered) and 1 (clear), or None.
    """

    until: datetime
    lens: float | None = None

    def __post_init__(self) -> None:
        utc(self.until)


@dataclass(frozen=True, slots=True)
class Quality:
    """How well a face can be recognised.

    `size`: the box's shorter side in original pixels. `sharpness`: variance of the Laplacian of the aligned
    grey chip (8-bit levels squared). `yaw`, `pitch`, `roll`: degrees estimated from landmarks, 0 is frontal
    and upright, positive is to the picture's right, up, and clockwise.
    """

    size: float
    sharpness: float
    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """A face that an embedder found. `score` is the detector's own, comparable only within one model."""

    box: Box
    score: float
    quality: Quality
    embedding: Embedding


@dataclass(frozen=True, slots=True)
class Candidate:
    """A person a face may be, with a similarity score (higher is closer)."""

    person: str
    score: float


@dataclass(frozen=True, slots=True)
class Detections:
    """Faces with embeddings from a camera that recognises itself; joins the pipeline after *embed*."""

    epoch: int
    seq: int
    captured_at: datetime
    model_id: str
    faces: tuple[Face, ...]
    live: bool = False
    skew: timedelta = timedelta(0)
    origin: str = ""

    def __post_init__(self) -> None:
        utc(self.captured_at)


SingleEvent: TypeAlias = Frame | Heartbeat | Detections


@dataclass(frozen=True, slots=True)
class Burst:
    """What a camera with a backlog has ready, acknowledged together: one sync of the disk for all of it.

    A heartbeat among it holds once all of it is kept. If some of it cannot be kept now, all of it comes again.
    """

    events: tuple[SingleEvent, ...]


CameraEvent: TypeAlias = SingleEvent | Burst


@dataclass(frozen=True, slots=True)
class Sight:
    """What an embedder saw in one picture: its faces, and where others are that were too small for its model.

    The hub shows neither to anybody who is asked about, or shown, another face of the picture.
    """

    faces: tuple[Face, ...] = ()
    too_small: tuple[Box, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelState:
    """A model on this machine, for `fras models`.

    `state` is "ready", "not built" (done on first use), "not installed", "damaged" or "wrong" (its description);
    `problem` says why and what to do, and is empty for a ready one. `wanted`: hub.yaml names it.
    """

    name: str
    state: str
    problem: str = ""
    model_id: str = ""
    licence: str = ""
    source: str = ""
    wanted: bool = field(default=False, compare=False)

    @property
    def installed(self) -> bool:
        return self.state in ("ready", "damaged", "wrong")


@dataclass(frozen=True, slots=True)
class Model:
    """What an embedder's embeddings mean, or an identifier's scores.

    `id` changes whenever embeddings stop being comparable. `metric` says how two are compared; scores are
    always similarities: cosine, or 1 − distance for "euclidean". `threshold` is where a face may be called
    somebody, `single_frame` the stricter one at which one frame suffices, `margin` how far ahead of the next
    person it must be: measured starting points, which calibration on the school's own gallery replaces.
    `min_face` is the smallest face in original pixels it looks for. With `mirror_probes` it recognises better when
    probes, too, are averaged with their mirror image.
    """

    id: str
    dimension: int
    metric: str
    threshold: float
    single_frame: float
    margin: float
    min_face: int
    mirror_probes: bool = False
    licence: str = ""
    details: dict[str, str] = field(default_factory=dict)
