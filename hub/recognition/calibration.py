"""Thresholds from the school's own gallery: how often would one of its people be taken for another?"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from .gallery import DECIMALS
from .policy import Thresholds
from .similarity import prepared, scores
from .templates import agreements, template

Scores: TypeAlias = npt.NDArray[np.float64]

RULE_OF_THREE = 3.0
"""No error in n independent trials leaves 95 % confidence that the rate is below 3/n (Hanley and Lippman-Hand,
JAMA 249 (1983) 1743): to speak of a rate r takes at least 3/r trials."""
STRICTER = 10.0
"""How many times rarer a false match has to be where a single frame suffices."""
BATCH = 1024


@dataclass(frozen=True, slots=True)
class Calibration:
    """`thresholds` for the wanted false-positive identification rate, or the model's where `measured` is False.

    `fpir` is the share of `trials` in which somebody not in the gallery would have been called somebody, `fnir`
    the share of `genuine` in which somebody in it would not have been called right, both at `thresholds`; None
    without trials. `outliers` is the number of images left out. `note` says in a sentence what this rests on.
    """

    thresholds: Thresholds
    measured: bool
    people: int
    trials: int
    fpir: float | None
    genuine: int
    fnir: float | None
    outliers: int
    note: str


def calibrate(
    embeddings: Mapping[str, npt.NDArray[Any]], metric: str, model: Thresholds, target_fpir: float = 0.01
) -> Calibration:
    """Calibrates on each person's enrolment `embeddings` (n, dimension); `model` is the fallback, its margin kept.

    False positives: each image searches the templates of everybody else, as a stranger would (a gallery of
    N − 1). The threshold is the lowest at which no more than `target_fpir` of the searches pass threshold and
    margin; fewer than 3 / `target_fpir` searches say too little, and the model's stands. `single_frame` is the
    same for a tenth of the target, or else keeps the model's distance from the threshold. False negatives:
    each image searches with itself left out of its person's template. Outliers among a person's images take no
    part, so `fnir` flatters where there are many. Searches with several images of one face are not independent:
    the estimates are estimates.
    """
    people = {person: np.asarray(images) for person, images in sorted(embeddings.items()) if len(images)}
    nothing = np.zeros(0)
    found = _searches(people, metric, model.threshold) if len(people) > 1 else (nothing, nothing, nothing)
    rivals, runners_up, own = found
    wrong = np.sort(rivals[np.round(rivals - runners_up, 6) >= model.margin])[::-1]
    trials = len(rivals)
    measured = bool(trials >= RULE_OF_THREE / target_fpir)
    thresholds = model
    if measured:
        threshold = _above(wrong, math.floor(target_fpir * trials + 1e-9), model.threshold)
        single = threshold + (model.single_frame - model.threshold)
        if trials >= RULE_OF_THREE * STRICTER / target_fpir:
            single = max(threshold, _above(wrong, math.floor(target_fpir / STRICTER * trials + 1e-9), single))
        thresholds = Thresholds(threshold, round(single, DECIMALS), model.margin)
    tried = ~np.isnan(own)
    right = (own[tried] >= thresholds.threshold) & (np.round(own[tried] - rivals[tried], 6) >= thresholds.margin)
    genuine = int(tried.sum())
    fpir = float((wrong >= thresholds.threshold).sum() / trials) if trials else None
    fnir = float(1 - right.mean()) if genuine else None
    outliers = sum(map(len, people.values())) - trials if trials else 0
    note = _note(measured, len(people), trials, outliers, target_fpir)
    return Calibration(thresholds, measured, len(people), trials, fpir, genuine, fnir, outliers, note)


def halfway(embeddings: Mapping[str, npt.NDArray[Any]], metric: str, model: Thresholds) -> Thresholds:
    """Thresholds halfway between each person's farthest image and anybody's nearest other person.

    For people chosen to be far apart, as the demo's are; `model`'s where these are not.
    """
    people = {person: np.asarray(images) for person, images in sorted(embeddings.items()) if len(images)}
    if len(people) < 2:
        return model
    rivals, _, own = _searches(people, metric, model.threshold)
    nearest, farthest = float(rivals.max()), float(np.nanmin(own, initial=np.inf))
    if not nearest < farthest < np.inf:
        return model
    threshold = round((nearest + farthest) / 2, DECIMALS)
    return Thresholds(threshold, threshold, min(model.margin, round(farthest - nearest, DECIMALS)))


def _searches(people: Mapping[str, npt.NDArray[Any]], metric: str, threshold: float) -> tuple[Scores, Scores, Scores]:
    """For each image that is no outlier: the best and second-best score to other people's templates (−inf where
    there is no second), and that to the mean of its person's other images (nan where there is none)."""
    templates, images, owners, own = [], [], [], []
    for column, vectors in enumerate(people.values()):
        made = template(vectors, metric, threshold)
        kept = prepared(vectors[list(made.used)], metric)
        templates.append(made.vector)
        images.append(kept)
        owners += [column] * len(kept)
        own.append(_left_out(kept, metric))
    gallery, probes, columns = np.stack(templates), np.concatenate(images), np.array(owners)
    best = np.full((len(probes), 2), -np.inf)
    for start in range(0, len(probes), BATCH):
        part = slice(start, start + BATCH)
        found = scores(probes[part], gallery, metric).astype(np.float64)
        found[np.arange(len(found)), columns[part]] = -np.inf
        best[part] = np.sort(np.partition(found, -2, axis=1)[:, -2:], axis=1)
    return np.round(best[:, 1], DECIMALS), np.round(best[:, 0], DECIMALS), np.concatenate(own)


def _left_out(vectors: npt.NDArray[np.float32], metric: str) -> Scores:
    if len(vectors) < 2:
        return np.full(len(vectors), np.nan)
    return np.round(agreements(vectors.astype(np.float64), metric), DECIMALS)


def _above(wrong: Scores, allowed: int, otherwise: float) -> float:
    """The lowest threshold that at most `allowed` of the descending scores reach."""
    if allowed >= len(wrong):
        return otherwise
    return float(round(wrong[allowed] + 10**-DECIMALS, DECIMALS))


def _note(measured: bool, people: int, trials: int, outliers: int, target: float) -> str:
    searches, rate = f"{trials} searches with images of {people} people", f"{target * 100:g} % false matches"
    if outliers:
        searches += f" ({outliers} that disagree with their person's others left out)"
    if measured:
        return f"measured on {searches} for at most {rate}"
    needed = math.ceil(RULE_OF_THREE / target)
    return f"{searches} are too few to speak of {rate} ({needed} needed); the model's thresholds stand"
