"""pack.yaml: what a model pack holds and how its networks want to be fed."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import voluptuous as vol
import yaml

from hub.plugin import NeedsHuman, Permanent

MANIFEST: Final = "pack.yaml"
DETECTORS: Final = ("mmod", "yunet")
ALIGNMENTS: Final = ("dlib", "five_points")
CONVERTERS: Final = ("dlib",)
METRICS: Final = ("cosine", "euclidean")


@dataclass(frozen=True, slots=True)
class DetectorPart:
    """`sha256` is the published weights' hash. `score` and `nms` (overlap as intersection over union) are None
    where the kind has its own; `smallest` is the side in pixels of the smallest face the network finds."""

    kind: str
    file: str
    sha256: str
    smallest: int
    score: float | None = None
    nms: float | None = None


@dataclass(frozen=True, slots=True)
class AlignmentPart:
    """`template` holds five points in chip pixels (kind `five_points`); `file` a landmark model (kind `dlib`)."""

    kind: str
    template: tuple[tuple[float, float], ...] = ()
    file: str = ""
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class EmbedderPart:
    """Takes chips of `size`×`size` pixels as (pixel − mean) × scale, `mean` in the order of `channels`."""

    file: str
    sha256: str
    size: int
    dimension: int
    metric: str
    channels: str = "RGB"
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    scale: float = 1.0


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Starting points for the hub's policy, as `Model` has them; `note` says where they were measured."""

    threshold: float
    single_frame: float
    margin: float
    note: str
    mirror_probes: bool = False


@dataclass(frozen=True, slots=True)
class Manifest:
    """`folder` holds the weights, unless `converter` makes them from an installed package on first use."""

    name: str
    folder: Path
    licence: str
    source: str
    detector: DetectorPart
    alignment: AlignmentPart
    embedder: EmbedderPart
    thresholds: Thresholds
    converter: str = ""
    downloads: Mapping[str, str] = field(default_factory=dict)
    """Where files of the pack are published, by name."""

    @property
    def weights(self) -> dict[str, str]:
        """Each file of the pack with its published sha256."""
        parts = (self.detector, self.alignment, self.embedder)
        return {part.file: part.sha256 for part in parts if part.file}

    @property
    def fingerprint(self) -> str:
        """12 hex digits that change when embeddings or templates stop being comparable.

        They cover weights, alignment, normalisation and metric (a template for cosine is a mean of unit vectors).
        """
        alignment, embedder = asdict(self.alignment), asdict(self.embedder)
        for irrelevant in (alignment, embedder):
            del irrelevant["file"]
        meaning = {"detector": [self.detector.kind, self.detector.sha256], "alignment": alignment, "embedder": embedder}
        return hashlib.sha256(json.dumps(meaning, sort_keys=True).encode()).hexdigest()[:12]


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise vol.Invalid("expected a number")
    return float(value)


def _positive(value: object) -> float:
    number = _number(value)
    if number <= 0:
        raise vol.Invalid("expected a number above 0")
    return number


def _pixels(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 4096:
        raise vol.Invalid("expected a whole number from 1 to 4096")
    return value


def _fraction(value: object) -> float:
    number = _number(value)
    if not 0 <= number <= 1:
        raise vol.Invalid("expected a number from 0 to 1")
    return number


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise vol.Invalid("expected some text")
    return value.strip()


def _name(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,63}", value):
        raise vol.Invalid("expected lower-case letters, digits, '.', '_' or '-'")
    return value


def _file(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}", value):
        raise vol.Invalid("expected the plain name of a file beside pack.yaml")
    return value


def _address(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"https?://[^\s@]+", value):
        raise vol.Invalid("expected an address that begins with https://, without a password")
    return value


def _sha256(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[0-9a-f]{64}", value):
        raise vol.Invalid("expected 64 hexadecimal digits in lower case")
    return value


def _point(value: object) -> tuple[float, float]:
    if not isinstance(value, list) or len(value) != 2:
        raise vol.Invalid("expected [x, y]")
    return _number(value[0]), _number(value[1])


def _points(value: object) -> tuple[tuple[float, float], ...]:
    if not isinstance(value, list) or len(value) != 5:
        raise vol.Invalid("expected five points [x, y]: eyes, nose, mouth corners, each from the picture's left")
    return tuple(_point(point) for point in value)


def _three(value: object) -> tuple[float, ...]:
    if not isinstance(value, list) or len(value) != 3:
        raise vol.Invalid("expected three numbers, one a channel")
    return tuple(_number(number) for number in value)


_SCHEMA: Final = vol.Schema(
    {
        vol.Required("name"): _name,
        vol.Required("licence"): _text,
        vol.Required("source"): _text,
        vol.Optional("converter"): vol.In(CONVERTERS),
        vol.Optional("downloads"): {_file: _address},
        vol.Required("detector"): {
            vol.Required("kind"): vol.In(DETECTORS),
            vol.Required("file"): _file,
            vol.Required("sha256"): _sha256,
            vol.Required("smallest"): _pixels,
            vol.Optional("score"): _number,
            vol.Optional("nms"): _fraction,
        },
        vol.Required("alignment"): {
            vol.Required("kind"): vol.In(ALIGNMENTS),
            vol.Optional("template"): _points,
            vol.Optional("file"): _file,
            vol.Optional("sha256"): _sha256,
        },
        vol.Required("embedder"): {
            vol.Required("file"): _file,
            vol.Required("sha256"): _sha256,
            vol.Required("size"): _pixels,
            vol.Required("dimension"): _pixels,
            vol.Required("metric"): vol.In(METRICS),
            vol.Optional("channels"): vol.In(("RGB", "BGR")),
            vol.Optional("mean"): _three,
            vol.Optional("scale"): _positive,
        },
        vol.Required("thresholds"): {
            vol.Required("threshold"): _number,
            vol.Required("single_frame"): _number,
            vol.Required("margin"): _number,
            vol.Required("note"): _text,
            vol.Optional("mirror_probes"): bool,
        },
    }
)


def _contradictions(data: dict[str, Any]) -> list[str]:
    """What only shows across fields. Reads what is there, so that it speaks even beside other problems."""
    problems: list[str] = []

    def part(name: str) -> dict[str, Any]:
        section = data.get(name)
        return section if isinstance(section, dict) else {}

    detector, alignment, embedder, thresholds = map(part, ("detector", "alignment", "embedder", "thresholds"))
    if alignment.get("kind") == "five_points":
        if "template" not in alignment:
            problems.append("alignment->template: required by kind five_points")
        if detector.get("kind") == "mmod":
            problems.append("alignment->kind: five_points needs a detector that gives points, and mmod gives none")
    if alignment.get("kind") == "dlib":
        problems += [f"alignment->{key}: required by kind dlib" for key in ("file", "sha256") if key not in alignment]
        if "template" in alignment:
            problems.append("alignment->template: kind dlib has a template of its own")
    if detector.get("kind") == "mmod":
        problems += [f"detector->{key}: kind mmod has its own" for key in ("score", "nms") if key in detector]
        if detector.get("smallest", 80) != 80:
            problems.append("detector->smallest: is 80 for kind mmod, the side of its window")
    files = [name for name in (detector.get("file"), alignment.get("file"), embedder.get("file")) if name]
    if len(set(map(str, files))) < len(files):
        problems.append("file: detector, alignment and embedder must be different files")
    strict, usual = thresholds.get("single_frame"), thresholds.get("threshold")
    if isinstance(strict, int | float) and isinstance(usual, int | float) and strict < usual:
        problems.append("thresholds->single_frame: must not be below threshold")
    return problems


def load(folder: Path) -> Manifest:
    """The manifest of the pack in `folder`.

    Raises NeedsHuman when there is none or it cannot be read, Permanent with *every* problem when it is wrong.
    """
    path = folder / MANIFEST
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NeedsHuman(f"{folder} is no model pack: it has no {MANIFEST}") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        fact = " ".join(str(error).split())
        raise NeedsHuman(f"{path} cannot be read: {fact}", hint="correct the file") from error
    if not isinstance(data, dict):
        raise Permanent(f"{path} is empty or no mapping", hint="see a shipped pack for the keys it needs")
    problems: list[str] = []
    try:
        valid = _SCHEMA(data)
    except vol.MultipleInvalid as invalid:
        valid = None
        for fault in invalid.errors:
            where = "->".join(str(step) for step in fault.path) or MANIFEST
            problems.append(f"{where}: {fault.error_message}")
    problems += _contradictions(data)
    if problems or valid is None:
        raise Permanent(f"{path} is wrong: " + "; ".join(problems), hint="correct the manifest")
    return Manifest(
        name=valid["name"],
        folder=folder,
        licence=valid["licence"],
        source=valid["source"],
        detector=DetectorPart(**valid["detector"]),
        alignment=AlignmentPart(**valid["alignment"]),
        embedder=EmbedderPart(**valid["embedder"]),
        thresholds=Thresholds(**valid["thresholds"]),
        converter=valid.get("converter", ""),
        downloads=valid.get("downloads", {}),
    )
