"""The reference: a Program executed in NumPy integers. Every other runtime is held against its bytes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from kangen.codegen.program import (
    DenseLayer,
    Float32s,
    InputStep,
    Int8s,
    Int32s,
    Layer,
    Program,
    Requantise,
    SparseLayer,
)
from kangen.distill.data.nodes import Rows, is_sparse

BATCH = 1024


@dataclass(frozen=True)
class Outputs:
    """What every runtime hands back, row by row."""

    codes: Int8s  # [rows, inputs]
    saturated: Int32s  # [rows], inputs that were out of range or NaN
    scores: Int32s  # [rows, classes], the last accumulators
    logits: Int8s  # [rows, classes]
    labels: Int32s  # [rows]


def quantise(step: InputStep, x: Float32s) -> tuple[Int8s, Int32s]:
    """Measurements to codes, and how many inputs of each row were clamped or NaN."""
    low = np.float32(2 * (step.lowest - step.zero) - 1)  # half units: one past each end rounds out of range
    high = np.float32(2 * (step.highest - step.zero) + 1)
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        halves = (x.astype(np.float32) - step.offset) * step.doubled_gain
    nan = np.isnan(halves)
    below, above = halves <= low, halves >= high
    inside = np.where(nan | below | above, np.float32(0), halves)
    whole = inside.astype(np.int32)  # truncates toward zero
    rounded = np.where(whole >= 0, (whole + 1) >> 1, -((1 - whole) >> 1))
    codes = np.where(below, step.lowest, np.where(above, step.highest, rounded + step.zero))
    return codes.astype(np.int8), (nan | below | above).sum(axis=1, dtype=np.int32)


def requantise(acc: Int32s, scale: Requantise) -> Int8s:
    """The doubling high multiply with rounding, then the rounding right shift, as TFLite does by default."""
    product = acc.astype(np.int64) * scale.multiplier.astype(np.int64)
    high = (product + (1 << 30)) >> 31
    mask = (np.int64(1) << scale.shift) - 1
    carry = (high & mask) > (mask >> 1) + (high < 0)
    codes: Int8s = np.clip((high >> scale.shift) + carry + scale.zero, -128, 127).astype(np.int8)
    return codes


def dense(layer: DenseLayer, codes: Int8s) -> Int32s:
    features = layer.table[codes.astype(np.int32) + 128].reshape(len(codes), -1)
    weights = layer.weights.reshape(layer.outputs, -1)
    # Every product and partial sum is an integer under 2^31, which float64 holds exactly and multiplies fast.
    sums = features.astype(np.float64) @ weights.T.astype(np.float64)
    return sums.astype(np.int32) + layer.bias


def sparse(layer: SparseLayer, codes: Int8s) -> Int32s:
    """Any code that is not 0 counts as 1."""
    sums: Int32s = ((codes != 0).astype(np.float64) @ layer.rows.astype(np.float64)).astype(np.int32)
    return sums + layer.bias


ACCUMULATE: dict[str, Callable[[Any, Int8s], Int32s]] = {"dense": dense, "sparse": sparse}


def accumulate(layer: Layer, codes: Int8s) -> Int32s:
    return ACCUMULATE[layer.kernel](layer, codes)


def run_codes(program: Program, codes: Int8s) -> tuple[Int32s, Int8s, Int32s]:
    """Scores, logit codes and labels from input codes."""
    for layer in program.layers[:-1]:
        codes = requantise(accumulate(layer, codes), layer.requantise)
    scores = accumulate(program.layers[-1], codes)
    return scores, requantise(scores, program.layers[-1].requantise), scores.argmax(axis=1).astype(np.int32)


def run(program: Program, x: Rows) -> Outputs:
    """All rows, in batches, so that a sparse matrix is never dense as a whole."""
    parts = []
    for start in range(0, x.shape[0], BATCH):
        rows = x[start : start + BATCH]
        dense_rows: Float32s = rows.toarray() if is_sparse(rows) else rows
        codes, saturated = quantise(program.input, dense_rows)
        parts.append((codes, saturated, *run_codes(program, codes)))
    return Outputs(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def probabilities(program: Program, logits: Int8s) -> npt.NDArray[np.uint16]:
    """Class probabilities in units of 1/65535 from logit codes, as the C computes them."""
    distance = logits.max(axis=1, keepdims=True).astype(np.int32) - logits
    weight = program.probability[distance].astype(np.uint32)
    total = weight.sum(axis=1, keepdims=True, dtype=np.uint32)
    shares: npt.NDArray[np.uint16] = ((weight * np.uint32(65535) + total // 2) // total).astype(np.uint16)
    return shares
