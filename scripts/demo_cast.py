"""Draws the demo school's cast from its seeds; with --choose looks for a better one first.

    python scripts/demo_cast.py [--choose] [--candidates 72] [--work FOLDER]

Choosing draws candidates, keeps those that the recogniser tells apart best and prints their seeds, for `SEEDS`. It
takes half an hour of one core; `--work` keeps what is done, so that it may be interrupted. Drawing writes what is
missing of plugins/cameras/demo/cast.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import random
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from hub.plugin import Embedder, Picture  # noqa: E402
from hub.plugin.testing.context import make_context  # noqa: E402
from plugins.cameras.demo.studio.draw import View, draw  # noqa: E402
from plugins.cameras.demo.studio.looks import look  # noqa: E402
from plugins.cameras.demo.studio.poses import PORTRAITS, figures, portraits  # noqa: E402
from plugins.recognizers.onnx_local import open_recogniser  # noqa: E402

SEEDS = (5, 6, 10, 16, 19, 20, 31, 36, 55, 61, 67, 70)
"""Chosen of 72: different people at least 0.39 apart, a person's portraits at most 0.21 from the mean of others."""
NAMES = (
    *("Alex Alder", "Ari Birch", "Dele Cedar", "Jun Elm", "Kim Hazel", "Mika Juniper"),
    *("Noor Larch", "Remy Linden", "Robin Maple", "Sam Oak", "Sasha Rowan", "Toni Willow"),
)
"""Of trees, so that nobody is called so; the last but one refuses, the last is a stranger and has no portraits."""
TRIED = 8
"""Portraits of each candidate: `PORTRAITS` make the template, the others are probes."""
LOOSEST = 0.30
"""The farthest a candidate's portrait may be from the mean of its others."""
PORTRAIT = View(centre=(0, -0.1), height=2.75, pixels=(220, 220))
QUICK = View(centre=(0, -0.1), height=2.75, pixels=(180, 180))
FIGURE = View(centre=(0, -0.75), height=4.4, pixels=(272, 352))
BACKGROUNDS = ((176, 190, 200), (204, 196, 182), (186, 198, 182), (200, 190, 198))

Pixels = npt.NDArray[np.uint8]


def say(message: str) -> None:
    sys.stderr.write(message + "\n")


def on_background(figure: Pixels, colour: tuple[int, int, int], shade: float = 0.0) -> Pixels:
    """(height, width, 3); with `shade` lighter towards the top left, like a photographer's cloth."""
    high, wide = figure.shape[:2]
    y, x = np.mgrid[0:high, 0:wide]
    cloth = np.array(colour) * (1 + shade * (0.6 - x / wide - 0.8 * y / high))[..., None]
    share = figure[..., 3:] / 255.0
    return np.clip(figure[..., :3] * share + cloth * (1 - share), 0, 255).astype(np.uint8)


def candidates(count: int, work: Path) -> None:
    for seed in range(count):
        file = work / f"{seed}.npy"
        if not file.exists():
            say(f"candidate {seed + 1} of {count}")
            poses = portraits(seed, TRIED)
            shots = [on_background(draw(look(seed), pose, QUICK, smooth=1), BACKGROUNDS[0]) for pose in poses]
            np.save(file, np.stack(shots))


async def embed(count: int, work: Path) -> dict[int, npt.NDArray[np.float32]]:
    """The embeddings (TRIED, dimension) of each candidate whose every portrait shows one face."""
    found = {}
    config = {"pack": "dlib", "min_face": 80, "threads": 1, "megapixels": 8.3}
    async with make_context(work) as context, open_recogniser(config, context) as recogniser:
        assert isinstance(recogniser, Embedder)
        for seed in range(count):
            shots = [np.pad(shot, ((30, 30), (30, 30), (0, 0)), mode="edge") for shot in np.load(work / f"{seed}.npy")]
            sights = await recogniser.analyse([Picture(s, s.shape[1], s.shape[0]) for s in shots], mirror=True)
            if all(len(sight.faces) == 1 for sight in sights):
                found[seed] = np.stack([sight.faces[0].embedding for sight in sights])
    return found


def choose(embeddings: dict[int, npt.NDArray[np.float32]], count: int) -> list[int]:
    """The seeds of the `count` candidates whose nearest two are farthest apart: greedy from many starts, then swaps."""
    seeds = [
        seed
        for seed, vectors in embeddings.items()
        if max(np.linalg.norm(v - np.delete(vectors, i, 0).mean(0)) for i, v in enumerate(vectors)) <= LOOSEST
    ]
    templates = np.stack([embeddings[seed][:PORTRAITS].mean(0) for seed in seeds])
    apart = np.stack([np.linalg.norm(embeddings[s][:, None] - templates[None], axis=-1).min(0) for s in seeds])
    apart = np.minimum(apart, apart.T)
    np.fill_diagonal(apart, np.inf)
    chance = random.Random("cast")  # noqa: S311
    best: tuple[float, list[int]] = (0.0, [])
    for _ in range(100):
        cast = [chance.randrange(len(seeds))]
        while len(cast) < count:
            rest = [row for row in range(len(seeds)) if row not in cast]
            cast.append(max(rest, key=lambda row: apart[row, cast].min() + chance.gauss(0, 0.01)))
        best = max(best, _swapped(cast, apart))
    own = max(np.linalg.norm(embeddings[seeds[row]][PORTRAITS:] - templates[row], axis=1).max() for row in best[1])
    say(f"{len(seeds)} candidates; nearest of different people {best[0]:.3f}, farthest of one {own:.3f}")
    return sorted(seeds[row] for row in best[1])


def _swapped(cast: list[int], apart: npt.NDArray[np.float64]) -> tuple[float, list[int]]:
    while True:
        within = apart[np.ix_(cast, cast)]
        worst = int(within.min(1).argmin())
        swaps = (
            [*cast[:drop], *cast[drop + 1 :], row]
            for drop in {worst, int(within[worst].argmin())}
            for row in range(len(apart))
            if row not in cast
        )
        better = next((swap for swap in swaps if apart[np.ix_(swap, swap)].min() > within.min() + 1e-9), None)
        if better is None:
            return float(within.min()), cast
        cast = better


def write(seeds: Sequence[int], target: Path) -> None:
    people = [(f"demo-{name.split()[0].lower()}", name) for name in NAMES]
    *_, stranger = people
    (target / "portraits").mkdir(parents=True, exist_ok=True)
    with (target / "portraits" / "people.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerows([("id", "name", "class"), *((person, name, "Demo") for person, name in people[:-1])])
    for (person, name), seed in zip(people, seeds, strict=True):
        someone = look(seed)
        for pose_name, pose in figures(seed).items():
            file = target / "figures" / person / f"{pose_name}.webp"
            if not file.exists():
                file.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(draw(someone, pose, FIGURE)).save(file, quality=88, method=6)
        for number, pose in enumerate(portraits(seed) if (person, name) not in people[-2:] else ()):
            file = target / "portraits" / person / f"{number + 1}.jpg"
            if not file.exists():
                file.parent.mkdir(parents=True, exist_ok=True)
                shot = on_background(draw(someone, pose, PORTRAIT), BACKGROUNDS[number % len(BACKGROUNDS)], 0.10)
                Image.fromarray(shot).save(file, quality=88)
        say(f"{person}: drawn from seed {seed}" + (" (not on the roll)" if person == stranger[0] else ""))


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    arguments.add_argument("--choose", action="store_true")
    arguments.add_argument("--candidates", type=int, default=72)
    arguments.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "fras-demo-cast")
    given = arguments.parse_args()
    if not given.choose:
        write(SEEDS, ROOT / "plugins" / "cameras" / "demo" / "cast")
        return
    given.work.mkdir(parents=True, exist_ok=True)
    candidates(given.candidates, given.work)
    say(f"SEEDS = {choose(asyncio.run(embed(given.candidates, given.work)), len(NAMES))}")


if __name__ == "__main__":
    main()
