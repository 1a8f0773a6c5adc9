"""What every runtime of the C hands back, and how it is held against the reference."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from kangen.codegen.program import Float32s, Int32s, Program
from kangen.distill.errors import InputError
from kangen.runtimes import reference
from kangen.runtimes.reference import Outputs

Rows: TypeAlias = Any  # float32 [rows, inputs]: an array, or a scipy CSR matrix where most inputs are zero


@dataclass(frozen=True)
class Observed(Outputs):
    """All that the generated C computes for each row. ``labels`` came from scores_q."""

    probabilities: npt.NDArray[np.uint16]  # [rows, classes], units of 1/65535
    predict_labels: Int32s  # [rows], from predict
    predict_q_labels: Int32s  # [rows], from predict_q


@dataclass(frozen=True)
class Difference:
    """The first place where two runtimes disagree."""

    row: int
    field: str
    column: int | None  # None where the field has one value a row
    expected: int
    got: int

    def __str__(self) -> str:
        place = self.field if self.column is None else f"{self.field}[{self.column}]"
        return f"row {self.row}, {place}: expected {self.expected}, got {self.got}"


def expected(program: Program, x: Rows) -> Observed:
    """What the reference says that the C must compute."""
    out = reference.run(program, x)
    values = {item.name: getattr(out, item.name) for item in fields(Outputs)}
    chances = reference.probabilities(program, out.logits)
    return Observed(**values, probabilities=chances, predict_labels=out.labels, predict_q_labels=out.labels)


def compare(outputs: Observed, wanted: Observed) -> Difference | None:
    """The first row that differs in anything, and in it the first field in the order of computation."""
    first: Difference | None = None
    for name in (
        "codes",
        "saturated",
        "scores",
        "labels",
        "logits",
        "probabilities",
        "predict_labels",
        "predict_q_labels",
    ):
        got, want = getattr(outputs, name), getattr(wanted, name)
        if got.shape != want.shape:
            raise InputError(f"{name} of {got.shape} cannot be compared with {want.shape}; give both the same rows")
        places = np.argwhere(got != want)
        if len(places) and (first is None or places[0][0] < first.row):
            at = tuple(int(i) for i in places[0])
            column = at[1] if len(at) > 1 else None
            first = Difference(at[0], name, column, int(want[at]), int(got[at]))
    return first


def record_type(inputs: int, classes: int) -> np.dtype[np.void]:
    """struct record of templates/harness/record.h."""
    return np.dtype(
        [
            ("saturated", "<i4"),
            ("labels", "<i4"),
            ("predict_labels", "<i4"),
            ("predict_q_labels", "<i4"),
            ("scores", "<i4", (classes,)),
            ("probabilities", "<u2", (classes,)),
            ("logits", "i1", (classes,)),
            ("codes", "i1", (inputs,)),
        ],
        align=True,
    )


def from_records(records: npt.NDArray[Any]) -> Observed:
    return Observed(**{item.name: np.ascontiguousarray(records[item.name]) for item in fields(Observed)})


def batches(x: Rows) -> Iterator[Float32s]:
    """Dense rows for the C, never a whole sparse matrix at once."""
    for start in range(0, x.shape[0], reference.BATCH):
        rows = x[start : start + reference.BATCH]
        yield np.ascontiguousarray(rows.toarray() if sp.issparse(rows) else rows, dtype=np.float32)


def check_width(x: Rows, inputs: int, name: str) -> None:
    if x.ndim != 2 or x.shape[1] != inputs:
        raise InputError(f"{name} takes rows of {inputs} inputs; the given array has the shape {tuple(x.shape)}")
