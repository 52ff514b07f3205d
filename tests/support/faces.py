"""Invented embeddings: a direction for each person, and images that scatter about it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def images(person: int, count: int, *, noise: float = 0.4, dimension: int = 64) -> npt.NDArray[np.float32]:
    """Shape (count, dimension), about unit length; the same again for the same arguments.

    Within a person the cosine is about 1 / (1 + noise²), between people about 0.
    """
    chance = np.random.default_rng(person)
    centre = chance.normal(size=dimension) / dimension**0.5
    scatter = chance.normal(size=(count, dimension)) * noise / dimension**0.5
    return np.asarray(centre + scatter, np.float32)
