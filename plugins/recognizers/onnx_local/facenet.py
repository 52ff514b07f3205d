"""Face embeddings from chips, for networks that take normalised planes."""

from __future__ import annotations

import numpy as np

from .manifest import EmbedderPart
from .stages import Chips, Network, Tensor


class PlanarFaceNet:
    """A `stages.FaceNet` whose network takes float32 (n, 3, size, size), normalised as the manifest says."""

    def __init__(self, network: Network, part: EmbedderPart) -> None:
        self.dimension = part.dimension
        self._network = network
        self._step = -1 if part.channels == "BGR" else 1
        self._mean = np.array(part.mean, np.float32)
        self._scale = np.float32(part.scale)

    def embed(self, chips: Chips) -> Tensor:
        if not len(chips):
            return np.empty((0, self.dimension), np.float32)
        values = (chips[..., :: self._step].astype(np.float32) - self._mean) * self._scale
        return self._network(np.ascontiguousarray(values.transpose(0, 3, 1, 2)))[0]
