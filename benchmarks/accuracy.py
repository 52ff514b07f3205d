"""How well a model pack identifies: open-set figures on photographs, and the thresholds that follow.

    python -m benchmarks accuracy [--full]
    python -m benchmarks.accuracy --pack dlib --photos ../shared/data/faces --cache /tmp/accuracy

The first is the bench, of templates and probes as the hub makes them; the second compares other ways to make them.

`photos` holds `enrol/<person>/*.jpg`, `probe/<person>/*.jpg` and `strangers/*.jpg`. Of several faces in a photo the
large, central one counts. A probe is identified when its best candidate is the right person and scores at least the
threshold; FPIR is the share of strangers whose best candidate does. A photo without a face is never identified.
Progress goes to stderr, results to stdout, as one JSON line each or last.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hub.plugin import Face, Picture
from plugins.recognizers.onnx_local import usable_cores
from plugins.recognizers.onnx_local.installed import built, find_pack, model_id
from plugins.recognizers.onnx_local.manifest import Manifest, Thresholds, load
from plugins.recognizers.onnx_local.pack import assemble
from plugins.recognizers.onnx_local.vision import Scaling, Vision

from .frames import read
from .measure import Skipped, report, shared
from .packs import ready, vision

Rows = npt.NDArray[np.float32]
"""Shape (photos, dimension); a row of NaN where no face was found."""

BATCH = 16

SAMPLE = {"enrol": 20, "probe": 20, "strangers": 60}
"""Without `--full`: so many people, their probes, and so many strangers."""

TARGETS = {"dlib": {"rank1": 0.995, "tpir@0.02": 0.95}, "yunet_reid": {"rank1": 1.0, "tpir@0.02": 0.99}}
"""What the packs must reach on all of ../shared/data/faces."""


def run(full: bool = False) -> None:
    """The figures of each pack at hand, as the hub uses it."""
    folder = shared("data/faces")
    for pack, targets in TARGETS.items():
        try:
            manifest, _ = ready(pack)
        except Skipped as reason:
            report("accuracy", pack=pack, skipped=str(reason))
            continue
        listed = photographs(folder, None if full else SAMPLE)
        at_work = vision(pack, 40)
        parts = {part: embed(at_work, paths, manifest.embedder.dimension) for part, paths in listed.items()}
        people = sorted(set(parts["enrol"].people))
        metric = manifest.embedder.metric
        gallery = templates(parts["enrol"], people, normalised=metric == "cosine")
        kind = "mirrored" if manifest.thresholds.mirror_probes else "plain"
        probes, strangers = (scores(getattr(parts[part], kind), gallery, metric) for part in ("probe", "strangers"))
        right = np.array([people.index(person) for person in parts["probe"].people])
        found = figures(probes, right, strangers)
        report(
            "accuracy",
            pack=pack,
            people=len(people),
            probes=len(probes),
            strangers=len(strangers),
            missed={part: photos.missed for part, photos in parts.items()},
            **{name: round(found[name], 4) for name in ("rank1", "tpir@0.02", "tpir@0.05")},
            **{
                name.removeprefix("manifest's "): {key: round(value, 4) for key, value in outcome.items()}
                for name, outcome in policy(probes, right, strangers, manifest.thresholds).items()
            },
            **({"targets": targets, "reached": all(found[n] >= least for n, least in targets.items())} if full else {}),
        )


def photographs(folder: Path, sample: dict[str, int] | None = None) -> dict[str, list[Path]]:
    """The photographs of each part, of everybody or of a sample: so many people, or strangers."""
    listed = {}
    for part in ("enrol", "probe", "strangers"):
        entries = sorted((folder / part).iterdir())[: sample[part] if sample else None]
        listed[part] = sorted(
            path for entry in entries for path in ([entry] if entry.is_file() else entry.glob("*.jpg"))
        )
    return listed


@dataclass(frozen=True, slots=True, eq=False)
class Photos:
    """Embeddings of the photos of one part, plain and averaged over face and mirror image."""

    people: list[str]
    plain: Rows
    mirrored: Rows

    @property
    def missed(self) -> int:
        return int(np.isnan(self.plain[:, 0]).sum())


def central(faces: Sequence[Face], picture: Picture) -> int:
    """Index of the face with the greatest area less twice its squared distance from the picture's centre."""

    def weight(face: Face) -> float:
        box = face.box
        away = (box.x + box.w / 2 - picture.width / 2) ** 2 + (box.y + box.h / 2 - picture.height / 2) ** 2
        return box.w * box.h - 2 * away

    return max(range(len(faces)), key=lambda index: weight(faces[index]))


def picture(path: Path) -> Picture:
    pixels = read(path)
    return Picture(pixels, pixels.shape[1], pixels.shape[0])


def embed(vision: Vision, paths: Sequence[Path], dimension: int) -> Photos:
    plain = np.full((len(paths), dimension), np.nan, np.float32)
    mirrored = plain.copy()
    for start in range(0, len(paths), BATCH):
        pictures = [picture(path) for path in paths[start : start + BATCH]]
        looked = [vision.look(one) for one in pictures]
        for rows, twice in ((plain, False), (mirrored, True)):
            for index, sight in enumerate(vision.embed(looked, [twice] * len(looked))):
                if sight.faces:
                    rows[start + index] = sight.faces[central(sight.faces, pictures[index])].embedding
        print(f"\r{start + len(pictures)} of {len(paths)} photos", end="", file=sys.stderr)
    print(file=sys.stderr)
    return Photos([path.parent.name for path in paths], plain, mirrored)


def embeddings(manifest: Manifest, folder: Path, min_face: int, cache: Path) -> dict[str, Photos]:
    """The three parts; computed once for each pack and `min_face`."""
    models = cache / "models"
    store = cache / f"{manifest.name}-{manifest.fingerprint}-{min_face}.npz"
    listed = photographs(folder)
    if not store.exists():
        ready = built(manifest, models, lambda message: print(message, file=sys.stderr))
        scaling = Scaling(min_face=min_face, largest=8_300_000)
        vision = assemble(manifest, ready, threads=usable_cores(), scaling=scaling)
        arrays: dict[str, Any] = {}
        for part, paths in listed.items():
            photos = embed(vision, paths, manifest.embedder.dimension)
            arrays |= {f"{part}_plain": photos.plain, f"{part}_mirrored": photos.mirrored}
        np.savez(store, **arrays)
    with np.load(store) as saved:
        return {
            part: Photos([path.parent.name for path in paths], saved[f"{part}_plain"], saved[f"{part}_mirrored"])
            for part, paths in listed.items()
        }


def unit(rows: Rows) -> Rows:
    return np.asarray(rows / np.linalg.norm(rows, axis=-1, keepdims=True), np.float32)


def scores(probes: Rows, templates: Rows, metric: str) -> Rows:
    """Shape (probes, templates): cosine, or 1 − distance; −inf where there is no face."""
    if metric == "cosine":
        table = unit(probes) @ unit(templates).T
    else:
        table = 1 - np.linalg.norm(probes[:, None] - templates[None], axis=2)
    return np.nan_to_num(np.asarray(table, np.float32), nan=-np.inf)


def policy(genuine: Rows, right: npt.NDArray[np.int64], strangers: Rows, given: Thresholds) -> dict[str, Any]:
    """TPIR and FPIR at a manifest's thresholds and margin."""

    def accepted(table: Rows, least: float) -> npt.NDArray[np.bool_]:
        ranked = np.sort(table, axis=1)
        with np.errstate(invalid="ignore"):
            return (ranked[:, -1] >= least) & (ranked[:, -1] - ranked[:, -2] >= given.margin)

    found = genuine.argmax(axis=1) == right
    result: dict[str, Any] = {}
    for name, least in (("threshold", given.threshold), ("single_frame", given.single_frame)):
        named = accepted(genuine, least)
        result[f"manifest's {name}"] = {
            "value": least,
            "tpir": float((found & named).mean()),
            "misnamed": float((~found & named).mean()),
            "fpir": float(accepted(strangers, least).mean()),
        }
    return result


def figures(genuine: Rows, right: npt.NDArray[np.int64], strangers: Rows) -> dict[str, Any]:
    """Figures of two score tables; `right` is the column of each probe's person."""
    best = genuine.argmax(axis=1)
    top, found = genuine.max(axis=1), best == right
    runner_up = np.sort(genuine, axis=1)[:, -2]
    false = np.sort(strangers.max(axis=1))[::-1]
    result: dict[str, Any] = {"rank1": float(found.mean())}
    for share in (0.004, 0.01, 0.02, 0.05):
        threshold = float(np.nextafter(false[int(share * len(false))], np.inf))
        result[f"tpir@{share:g}"] = float((found & (top >= threshold)).mean())
        result[f"threshold@{share:g}"] = round(threshold, 4)
    result["strangers' best"] = round(float(false[0]), 4)
    with np.errstate(invalid="ignore"):
        lead = (top - runner_up)[found]
    result["lead 1, 5 % of right"] = [round(float(value), 4) for value in np.nanpercentile(lead, [1, 5])]
    wrong = (top - runner_up)[~found & np.isfinite(top)]
    result["lead of wrong"] = [round(float(value), 4) for value in np.sort(wrong)]
    result["score of wrong"] = [round(float(value), 4) for value in np.sort(top[~found & np.isfinite(top)])]
    return result


def templates(photos: Photos, people: list[str], *, normalised: bool) -> Rows:
    """The mean over each person's mirror-averaged embeddings, each brought to length 1 first where `normalised`."""
    rows = unit(photos.mirrored) if normalised else photos.mirrored
    owners = np.array(photos.people)
    return np.stack([np.nanmean(rows[owners == person], axis=0) for person in people])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pack", default="dlib")
    parser.add_argument("--photos", type=Path, default=Path("../shared/data/faces"))
    parser.add_argument("--min-face", type=int, default=40)
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "fras-accuracy")
    options = parser.parse_args()
    options.cache.mkdir(parents=True, exist_ok=True)
    manifest = load(find_pack(options.pack, options.cache / "models"))
    parts = embeddings(manifest, options.photos, options.min_face, options.cache)
    people = sorted(set(parts["enrol"].people))
    right = np.array([people.index(person) for person in parts["probe"].people])
    missed = {part: photos.missed for part, photos in parts.items()}
    print(f"photos without a face: {missed}")
    results: dict[str, Any] = {}
    for metric in ("cosine", "euclidean"):
        for normalised in (True, False):
            gallery = templates(parts["enrol"], people, normalised=normalised)
            for kind in ("plain", "mirrored"):
                probe, strangers = (getattr(parts[part], kind) for part in ("probe", "strangers"))
                if normalised and metric == "euclidean":
                    continue
                name = f"{metric}, templates of {'normalised' if normalised else 'raw'}, probes {kind}"
                tables = scores(probe, gallery, metric), right, scores(strangers, gallery, metric)
                results[name] = figures(*tables)
                if metric == manifest.embedder.metric:
                    results[name] |= policy(*tables, manifest.thresholds)
                print(f"\n{name}")
                for key, value in results[name].items():
                    print(f"  {key:22} {value}")
    print(json.dumps({"pack": manifest.name, "model": model_id(manifest), "missed": missed, "results": results}))


if __name__ == "__main__":
    main()
