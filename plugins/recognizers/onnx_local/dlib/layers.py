"""The layers of a serialised dlib network, innermost (next to the input) first.

Source of the layout: dlib/dnn/core.h and dlib/dnn/layers.h.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from .serialized import DamagedFileError, Reader

Weights: TypeAlias = npt.NDArray[np.float64]
Pair: TypeAlias = tuple[int, int]
"""Rows, columns."""


@dataclass(frozen=True, slots=True, eq=False)
class Convolution:
    """`weights` has shape (filters, channels, rows, columns), `bias` (filters,)."""

    weights: Weights
    bias: Weights
    stride: Pair
    padding: Pair


@dataclass(frozen=True, slots=True, eq=False)
class Affine:
    """Per channel: input * scale + shift."""

    scale: Weights
    shift: Weights


@dataclass(frozen=True, slots=True)
class Relu:
    pass


@dataclass(frozen=True, slots=True)
class Pool:
    """`kind` is "max" or "avg"; a kernel of (0, 0) covers the whole plane."""

    kind: str
    kernel: Pair
    stride: Pair
    padding: Pair


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag or skip layer: the file tells them apart from the others, not from each other."""


@dataclass(frozen=True, slots=True)
class AddPrevious:
    """Adds a tagged output; the smaller operand is padded with zeros at the end of each axis."""


@dataclass(frozen=True, slots=True, eq=False)
class Dense:
    """Shape (inputs, outputs), no bias."""

    weights: Weights


Layer: TypeAlias = Convolution | Affine | Relu | Pool | Tag | AddPrevious | Dense

_ADD_LAYER, _ADD_TAG_OR_SKIP, _INNERMOST = 2, 1, 3


@dataclass(frozen=True, slots=True)
class Nesting:
    """What the versions before the input layer tell: for each layer, innermost first, whether it is a tag or skip."""

    tags: tuple[bool, ...]


def read_nesting(reader: Reader) -> Nesting:
    """Reads the versions of the nested layers, outermost first, up to the one that holds the input layer."""
    versions: list[int] = []
    while not versions or versions[-1] != _INNERMOST:
        version = reader.expect(_ADD_LAYER, _ADD_TAG_OR_SKIP, _INNERMOST)
        assert isinstance(version, int)
        versions.append(version)
    return Nesting(tuple(version == _ADD_TAG_OR_SKIP for version in reversed(versions)))


def read_layers(reader: Reader, nesting: Nesting) -> list[Layer]:
    """Reads the layers that follow the input layer, to the end of the file."""
    layers: list[Layer] = []
    channels = 3
    for index, is_tag in enumerate(nesting.tags):
        if is_tag:
            layers.append(Tag())
            continue
        layer = _read_layer(reader, channels)
        if isinstance(layer, Convolution):
            channels = layer.weights.shape[0]
        layers.append(layer)
        _skip_training_state(reader)
        if index == 0:
            reader.expect(1)  # sample expansion factor
    reader.end()
    return layers


def _read_layer(reader: Reader, channels: int) -> Layer:
    kind = reader.expect("con_4", "affine_", "bn_con2", "relu_", "max_pool_2", "avg_pool_2", "add_prev_", "fc_2")
    match kind:
        case "con_4":
            return _read_convolution(reader, channels)
        case "affine_":
            parameters = reader.tensor().astype(np.float64).ravel()
            scale, shift = _halves(parameters)
            _skip_shapes(reader, 2)
            reader.expect(0)  # mode: one parameter a channel
            return Affine(scale, shift)
        case "bn_con2":
            return _read_batch_normalisation(reader)
        case "relu_":
            return Relu()
        case "max_pool_2" | "avg_pool_2":
            kernel, stride, padding = _window(reader)
            return Pool(kind.removesuffix("_pool_2"), kernel, stride, padding)
        case "add_prev_":
            return AddPrevious()
        case _:
            outputs, inputs = reader.integer(), reader.integer()
            weights = reader.tensor().astype(np.float64)
            _skip_shapes(reader, 2)
            reader.expect(1)  # no bias
            _skip_learning_rates(reader)
            return Dense(_reshaped(weights, (inputs, outputs)))


def _read_convolution(reader: Reader, channels: int) -> Convolution:
    parameters = reader.tensor().astype(np.float64).ravel()
    filters = reader.integer()
    kernel, stride, padding = _window(reader)
    _skip_shapes(reader, 2)
    _skip_learning_rates(reader)
    split = parameters.size - filters
    if filters < 1 or split < 0:
        raise DamagedFileError(f"a convolution of {filters} filters has {parameters.size} parameters")
    weights = _reshaped(parameters[:split], (filters, channels, *kernel))
    return Convolution(weights, parameters[split:], stride, padding)


def _read_batch_normalisation(reader: Reader) -> Affine:
    """Folds running statistics into scale and shift: gamma * (x - mean) / sqrt(variance + eps) + beta."""
    gamma, beta = _halves(reader.tensor().astype(np.float64).ravel())
    _skip_shapes(reader, 2)
    reader.tensor(), reader.tensor()  # the last batch's statistics
    mean, variance = (reader.tensor().astype(np.float64).ravel() for _ in range(2))
    reader.integer(), reader.integer()  # number of updates, window of the running statistics
    _skip_learning_rates(reader)
    eps = reader.real()
    if not gamma.shape == mean.shape == variance.shape or (variance + eps <= 0).any():
        raise DamagedFileError("a batch normalisation's statistics do not fit its parameters")
    scale = gamma / np.sqrt(variance + eps)
    return Affine(scale, beta - mean * scale)


def _skip_training_state(reader: Reader) -> None:
    for _ in range(3):
        reader.boolean()
    for _ in range(3):
        reader.tensor()


def _skip_shapes(reader: Reader, count: int) -> None:
    for _ in range(count):
        reader.expect(1)
        for _ in range(4):
            reader.integer()


def _skip_learning_rates(reader: Reader) -> None:
    for _ in range(4):
        reader.real()


def _window(reader: Reader) -> tuple[Pair, Pair, Pair]:
    """Kernel, stride and padding."""
    sizes = [reader.integer() for _ in range(6)]
    kernel, stride, padding = sizes[:2], sizes[2:4], sizes[4:]
    if min(sizes) < 0 or max(sizes) > 100 or min(stride) < 1:
        raise DamagedFileError(f"kernel {kernel}, stride {stride} and padding {padding} make no layer")
    return (kernel[0], kernel[1]), (stride[0], stride[1]), (padding[0], padding[1])


def _halves(parameters: Weights) -> tuple[Weights, Weights]:
    first, second = _reshaped(parameters, (2, -1))
    return first, second


def _reshaped(parameters: Weights, shape: tuple[int, ...]) -> Weights:
    try:
        return parameters.reshape(shape)
    except ValueError as error:
        raise DamagedFileError(f"{parameters.size} parameters where {shape} belongs") from error
