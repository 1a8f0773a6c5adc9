"""The dense kernel: how value tables and weights lie in flash, and what a layer costs.

Features go through the machine four at a time, as the bytes of one aligned word. Weights are packed in panels of four
outputs, the last panel of one to three when the outputs are no multiple of four. Within a panel they lie in the order
of use: for each input, for each feature word, four bytes of each output. So a feature word is fetched once for a whole
panel, and the weights are read front to back.
"""

from __future__ import annotations

import numpy as np

from kangen.codegen.kernels.cost import REQUANTISE_BYTES, Cost
from kangen.codegen.program import DenseLayer, Int8s

PANEL = 4
WORD = 4


def words(layer: DenseLayer) -> int:
    """Feature words in a row: an odd number of harmonics leaves the last one half empty."""
    return -(-2 * layer.harmonics // WORD)


def panels(layer: DenseLayer) -> list[range]:
    """The outputs of each panel."""
    return [range(first, min(first + PANEL, layer.outputs)) for first in range(0, layer.outputs, PANEL)]


def pack_table(layer: DenseLayer) -> Int8s:
    """[256, 4 * words], zeros where a row is padded."""
    return _pad(layer.table, words(layer))


def pack_weights(layer: DenseLayer) -> list[Int8s]:
    """For each panel [inputs * words, its outputs * 4]: one row is what meets one feature word."""
    padded = _pad(layer.weights, words(layer)).reshape(layer.outputs, -1, WORD)
    return [
        padded[panel.start : panel.stop].transpose(1, 0, 2).reshape(-1, len(panel) * WORD) for panel in panels(layer)
    ]


def cost(layer: DenseLayer, *, last: bool) -> Cost:
    row = words(layer) * WORD
    sums = 4 * min(PANEL, layer.outputs)  # where the panel sums up; what it hands on; the last layer's go to the caller
    return Cost(
        weights=layer.outputs * layer.inputs * row,
        tables=256 * row,
        constants=REQUANTISE_BYTES * layer.outputs,
        scratch=sums if last else 2 * sums,
        macs=layer.macs,
    )


def _pad(values: Int8s, row_words: int) -> Int8s:
    missing = row_words * WORD - values.shape[-1]
    return np.pad(values, [(0, 0)] * (values.ndim - 1) + [(0, missing)])
