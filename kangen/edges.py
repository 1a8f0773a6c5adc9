"""Learned edge functions, for looking at: what each input does to each output, before and after rounding."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kangen.codegen.program import DenseLayer, Int8s, Layer, Program, SparseLayer
from kangen.runtimes import reference
from kangen.samples import FloatEdges, Samples

Floats = npt.NDArray[np.float64]

CODES = np.arange(-128, 128)
ROWS = 1024  # samples that the density of codes is taken from
WORDS, MAP_OUTPUTS = 16, 64
PER_INPUT = 2  # edges of one input shown at most, so that a picture has more than one story


@dataclass(frozen=True)
class Edge:
    """One function, at every code that its input can have."""

    source: str
    target: str
    x: Floats  # the input, in the unit it is measured in (first layer) or in radians
    quantised: Floats  # as the integers compute it, in the unit of the output
    smooth: Floats  # the same function before rounding
    density: Floats  # how often each code occurs in the samples; all equal where there are none


@dataclass(frozen=True)
class WordMap:
    """A layer of inputs that are 0 or 1, where an edge is one number: what a 1 adds to every output."""

    words: tuple[str, ...]
    adds: Floats  # [words, outputs]


@dataclass(frozen=True)
class LayerEdges:
    number: int
    x_unit: str
    y_unit: str
    total: int
    strongest: tuple[Edge, ...]  # empty where there is a map
    map: WordMap | None = None


def input_zero(program: Program, number: int) -> int:
    return program.input.zero if number == 0 else program.layers[number - 1].requantise.zero


def output_unit(program: Program, number: int) -> Floats:
    """What one unit of each accumulator of a layer is worth to the layer after it, or as a logit."""
    layer = program.layers[number]
    if number == len(program.layers) - 1:
        return np.full(layer.outputs, program.score_scale)
    ratio = layer.requantise.multiplier / np.exp2(31.0 + layer.requantise.shift)
    return np.asarray(ratio * program.code_scales[number + 1], dtype=np.float64)


def fitted_frequency(layer: DenseLayer, positions: Floats) -> Floats:
    """The frequencies that a value table was made from: slopes of its rows' angles."""
    angle = np.unwrap(np.arctan2(layer.table[:, 1::2].astype(float), layer.table[:, 0::2].astype(float)), axis=0)
    centred = positions - positions.mean()
    return np.asarray(centred @ (angle - angle.mean(axis=0)) / (centred @ centred), dtype=np.float64)


def strongest_edges(program: Program, count: int, samples: Samples | None = None) -> list[LayerEdges]:
    """Each layer's most influential edge functions."""
    codes = _codes(program, samples)
    found = []
    for number, layer in enumerate(program.layers):
        density = _density(layer, codes[number] if codes else None, program)
        influence = _influence(layer, density) * output_unit(program, number)[:, None]
        edges = samples.edges.get(number) if samples else None
        words = _word_map(program, layer, influence) if isinstance(layer, SparseLayer) else None
        chosen = [] if words else _pick(influence, count)
        found.append(
            LayerEdges(
                number=number,
                x_unit="as measured" if number == 0 else "radians",
                y_unit="logits" if number == len(program.layers) - 1 else "radians",
                total=layer.inputs * layer.outputs,
                strongest=tuple(
                    _edge(program, number, layer, j, i, density[i], edges)
                    for j, i in chosen
                    if isinstance(layer, DenseLayer)
                ),
                map=words,
            )
        )
    return found


def _codes(program: Program, samples: Samples | None) -> list[Int8s] | None:
    """The codes before every layer, for a spread of the samples."""
    if samples is None or samples.rows == 0:
        return None
    spread = np.unique(np.linspace(0, samples.rows - 1, min(ROWS, samples.rows)).astype(np.int64))
    codes, _ = reference.quantise(program.input, samples.dense(spread))
    found = [codes]
    for layer in program.layers[:-1]:
        codes = reference.requantise(reference.accumulate(layer, codes), layer.requantise)
        found.append(codes)
    return found


def _density(layer: Layer, codes: Int8s | None, program: Program) -> Floats:
    """[inputs, 256], each row summing to one."""
    if codes is None:
        low, high = (program.input.lowest, program.input.highest) if isinstance(layer, SparseLayer) else (-128, 127)
        inside = ((low <= CODES) & (high >= CODES)).astype(np.float64)
        return np.tile(inside / inside.sum(), (layer.inputs, 1))
    index = np.arange(layer.inputs) * 256 + codes.astype(np.int64) + 128
    counted = np.bincount(index.ravel(), minlength=layer.inputs * 256).reshape(layer.inputs, 256)
    return np.asarray(counted / len(codes), dtype=np.float64)


def _influence(layer: Layer, density: Floats) -> Floats:
    """The standard deviation of every edge function over the occurring codes [outputs, inputs], as accumulators."""
    if isinstance(layer, SparseLayer):
        share = density[:, 129]  # of ones
        return np.asarray(np.abs(layer.rows.T.astype(np.float64)) * np.sqrt(share * (1 - share)), dtype=np.float64)
    table = layer.table.astype(np.float64)
    mean = density @ table  # [inputs, 2K]
    square = np.einsum("iq,qk,ql->ikl", density, table, table, optimize=True)
    covariance = square - mean[:, :, None] * mean[:, None, :]
    weights = layer.weights.astype(np.float64)
    variance = np.einsum("jik,ikl,jil->ji", weights, covariance, weights, optimize=True)
    return np.asarray(np.sqrt(np.maximum(variance, 0)), dtype=np.float64)


def _pick(influence: Floats, count: int) -> list[tuple[int, int]]:
    """The strongest (output, input) pairs, a few of each input."""
    inputs = influence.shape[1]
    used: Counter[int] = Counter()
    chosen: list[tuple[int, int]] = []
    for flat in np.argsort(-influence, axis=None, kind="stable"):
        j, i = divmod(int(flat), inputs)
        if len(chosen) == count or influence[j, i] <= 0:
            break
        if used[i] < PER_INPUT:
            used[i] += 1
            chosen.append((j, i))
    return chosen


def _word_map(program: Program, layer: SparseLayer, influence: Floats) -> WordMap:
    """The inputs that move the outputs most, and those outputs that they move most, where there are many."""
    words = np.argsort(-influence.max(axis=0), kind="stable")[:WORDS]
    outputs = np.sort(np.argsort(-influence[:, words].max(axis=1), kind="stable")[:MAP_OUTPUTS])
    adds = layer.rows[np.ix_(words, outputs)] * output_unit(program, 0)[outputs]
    return WordMap(tuple(program.input.names[i] for i in words), np.asarray(adds, dtype=np.float64))


def _edge(
    program: Program, number: int, layer: DenseLayer, j: int, i: int, density: Floats, edges: FloatEdges | None
) -> Edge:
    step = program.input
    unit = output_unit(program, number)[j]
    zero = input_zero(program, number)
    u = program.code_scales[number] * (CODES - zero).astype(np.float64)
    if number == 0:
        gain = float(step.doubled_gain[i])
        x = float(step.offset[i]) + 2 * (CODES - zero) / gain if gain else np.zeros(256)
    else:
        x = u
    if edges is None:
        # 127 stands for a sine of 1 in the table.
        frequency, weights = fitted_frequency(layer, u), layer.weights[j, i] * unit * 127.0
    else:
        frequency, weights = edges.frequency.astype(np.float64), edges.weights[j, i].astype(np.float64)
    angle = u[:, None] * frequency
    smooth = np.stack((np.cos(angle), np.sin(angle)), axis=-1).reshape(256, -1) @ weights
    last = number == len(program.layers) - 1
    return Edge(
        source=step.names[i] if number == 0 else f"hidden {i}",
        target=program.class_names[j] if last else f"hidden {j}",
        x=np.asarray(x, dtype=np.float64),
        quantised=layer.table.astype(np.float64) @ layer.weights[j, i].astype(np.float64) * unit,
        smooth=np.asarray(smooth, dtype=np.float64),
        density=density,
    )
