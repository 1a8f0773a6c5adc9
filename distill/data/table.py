"""What a user's file says, before any graph or split is built from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kangen.distill.data.nodes import Floats, Ints, Mask


@dataclass(frozen=True)
class Table:
    x: Floats
    y: Ints
    class_names: tuple[str, ...]
    feature_names: tuple[str, ...]
    edges: Ints | None = None
    masks: tuple[Mask, Mask, Mask] | None = None
    groups: Ints | None = None


def code_labels(cells: list[str]) -> tuple[Ints, tuple[str, ...]]:
    """Codes and class names; whole numbers are ordered as numbers, an empty cell (or -1 among numbers) is unknown."""
    present = sorted({cell for cell in cells if cell})
    if all(cell.lstrip("+-").isdecimal() for cell in present):
        values = sorted({int(cell) for cell in present} - {-1})
        code = {cell: values.index(int(cell)) for cell in present if int(cell) != -1}
        names = tuple(f"class {value}" for value in values)
    else:
        code, names = {cell: number for number, cell in enumerate(present)}, tuple(present)
    return np.array([code.get(cell, -1) for cell in cells], np.int64), names
