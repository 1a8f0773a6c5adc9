"""The sparse kernel: rows lie as they are, [inputs][outputs]; an input of 1 adds its row, zeros go by fours."""

from __future__ import annotations

from kangen.codegen.kernels.cost import REQUANTISE_BYTES, Cost
from kangen.codegen.program import SparseLayer


def cost(layer: SparseLayer, *, last: bool) -> Cost:
    return Cost(
        weights=layer.rows.size,
        tables=0,
        constants=REQUANTISE_BYTES * layer.outputs,
        scratch=0 if last else 4 * layer.outputs,  # the last layer sums in the caller's scores
        macs=layer.macs,
    )
