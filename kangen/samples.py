"""The rows that a build keeps, so that verifying needs neither torch nor the data set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from kangen.codegen.program import Float32s, Int32s, Program
from kangen.distill.errors import InputError
from kangen.distill.files import read_tensors, tensor_bytes

FORMAT = "kangen-samples-1"
CURE = "build it again with 'kangen build'"


@dataclass(frozen=True)
class FloatEdges:
    """A layer's edge functions before rounding: ``weights · (cos, sin)(frequency · u)``, in the next layer's units."""

    weights: Float32s  # [outputs, inputs, 2K]
    frequency: Float32s  # [K]


@dataclass(frozen=True)
class Samples:
    identity: str  # of the Program that they belong to
    x: Float32s | sp.csr_matrix  # [rows, inputs], as measured
    y: Int32s  # [rows], the true label, -1 where unknown
    float_labels: Int32s  # [rows], the float student's answers
    test: npt.NDArray[np.bool_]  # [rows], whether the row was held back from training and choosing
    edges: Mapping[int, FloatEdges] = field(default_factory=dict)  # by layer

    @property
    def rows(self) -> int:
        return int(self.x.shape[0])

    def dense(self, rows: slice | npt.NDArray[Any] = slice(None)) -> Float32s:
        chosen = self.x[rows]
        plain = chosen.toarray() if isinstance(chosen, sp.csr_matrix) else chosen
        return np.ascontiguousarray(plain, dtype=np.float32)

    def pack(self) -> bytes:
        tensors: dict[str, npt.NDArray[Any]] = {
            "y": self.y,
            "float_labels": self.float_labels,
            "test": self.test.astype(np.uint8),
        }
        if isinstance(self.x, sp.csr_matrix):
            tensors |= {
                "x.data": self.x.data.astype(np.float32),
                "x.indices": self.x.indices.astype(np.int32),
                "x.indptr": self.x.indptr.astype(np.int32),
            }
        else:
            tensors["x"] = self.x
        for layer, edges in self.edges.items():
            tensors |= {f"edges.{layer}.weights": edges.weights, f"edges.{layer}.frequency": edges.frequency}
        return tensor_bytes(tensors, {"format": FORMAT, "identity": self.identity})


def load_samples(path: Path, program: Program) -> Samples:
    tensors, metadata = read_tensors(path, CURE)
    if metadata.get("format") != FORMAT:
        raise InputError(f"{path} does not hold kangen samples of format {FORMAT}; {CURE}")
    if metadata.get("identity") != program.identity:
        raise InputError(f"{path} belongs to another Program than the one beside it; {CURE}")
    try:
        samples = _unpack(tensors, program)
    except (KeyError, ValueError, IndexError) as error:
        raise InputError(f"{path} is damaged ({error}); {CURE}") from error
    rows = samples.rows
    if samples.x.shape[1] != program.inputs or not rows == len(samples.y) == len(samples.test) == len(
        samples.float_labels
    ):
        raise InputError(f"{path} is damaged (its tensors' shapes disagree); {CURE}")
    return samples


def _unpack(tensors: Mapping[str, npt.NDArray[Any]], program: Program) -> Samples:
    rows = len(tensors["y"])
    x: Float32s | sp.csr_matrix
    if "x" in tensors:
        x = tensors["x"].astype(np.float32)
        if x.ndim != 2:
            raise ValueError("x is not a table")
    else:
        parts = (tensors["x.data"], tensors["x.indices"], tensors["x.indptr"])
        x = sp.csr_matrix(parts, shape=(rows, program.inputs))
        x.check_format(full_check=True)
    edges = {
        layer: FloatEdges(tensors[f"edges.{layer}.weights"], tensors[f"edges.{layer}.frequency"])
        for layer in range(len(program.layers))
        if f"edges.{layer}.weights" in tensors
    }
    return Samples(
        identity=program.identity,
        x=x,
        y=tensors["y"].astype(np.int32),
        float_labels=tensors["float_labels"].astype(np.int32),
        test=tensors["test"].astype(np.bool_),
        edges=edges,
    )
