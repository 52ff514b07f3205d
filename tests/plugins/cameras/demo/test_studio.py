"""People drawn by the studio."""

from __future__ import annotations

import numpy as np
import pytest

from plugins.cameras.demo.studio.draw import View, draw
from plugins.cameras.demo.studio.fields import Points, ellipsoid, join, noise, sphere
from plugins.cameras.demo.studio.looks import Beard, Hair, Pose, look

SMALL = View(pixels=(36, 36))


def points(*triples: tuple[float, float, float]) -> Points:
    x, y, z = np.array(triples, np.float32).T
    return x, y, z


def test_distances() -> None:
    where = points((0, 0, 0), (2, 0, 0), (0, 3, 0))
    assert sphere(where, (0, 0, 0), 1).tolist() == [-1, 1, 2]
    assert np.sign(ellipsoid(where, (0, 0, 0), (1, 4, 1))).tolist()[1:] == [1, -1]
    both = join(sphere(where, (0, 0, 0), 1), sphere(where, (2, 0, 0), 1), 0.1)
    assert both.max() <= 2.61


def test_noise_is_smooth_bounded_and_seeded() -> None:
    line = np.linspace(-2, 2, 400, dtype=np.float32)
    where = (line, line * 0, line * 0)
    values = noise(where, 5, 1)
    assert 0 <= values.min() < values.max() <= 1
    assert np.abs(np.diff(values)).max() < 0.12
    assert (values == noise(where, 5, 1)).all()
    assert (values != noise(where, 5, 2)).any()


def test_the_same_seed_is_the_same_person_in_the_same_picture() -> None:
    assert look(5) == look(5) != look(6)
    first = draw(look(5), Pose(), SMALL, smooth=1)
    assert (first == draw(look(5), Pose(), SMALL, smooth=1)).all()
    assert (first != draw(look(6), Pose(), SMALL, smooth=1)).any()


@pytest.mark.parametrize("hair", Hair)
def test_every_hair_covers_a_plausible_part_of_the_picture(hair: Hair) -> None:
    seed = next(seed for seed in range(400) if look(seed).hair is hair)
    image = draw(look(seed), Pose(yaw=10, smile=1), SMALL, smooth=1)
    covered = (image[..., 3] > 0).mean()
    assert 0.3 < covered < 0.9
    assert image[18, 18, 3] == 255, "a face in the middle"
    assert image[0, 0, 3] == 0, "nothing in the corner"


@pytest.mark.parametrize("beard", Beard)
def test_every_beard_can_be_drawn(beard: Beard) -> None:
    seed = next(seed for seed in range(400) if look(seed).beard is beard)
    assert draw(look(seed), Pose(), SMALL, smooth=1)[18, 18, 3] == 255
