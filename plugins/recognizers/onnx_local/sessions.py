"""onnxruntime sessions with every setting said, none left to a default."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt
import onnxruntime as ort

from .stages import Tensor


class Session:
    """A `stages.Network` on onnxruntime.

    Threads that wait do not spin: two sessions take turns on the same cores, and spinning ones steal from each
    other (42 against 22 ms a frame on two cores). `arena` keeps memory between runs: 15 % faster for batches of
    chips, but a detector would keep what one huge picture needed.
    """

    def __init__(self, model: bytes, *, threads: int, arena: bool) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.enable_cpu_mem_arena = arena
        options.enable_mem_pattern = arena
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session: Any = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self._input: str = self._session.get_inputs()[0].name

    def __call__(self, batch: npt.NDArray[Any]) -> list[Tensor]:
        outputs: list[Tensor] = self._session.run(None, {self._input: batch})
        return outputs
