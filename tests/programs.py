"""Random Programs with every shape that the emitters must handle, small enough to run in milliseconds."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from kangen.codegen.program import DenseLayer, InputStep, Program, Requantise, SparseLayer


def random_program(
    widths: tuple[int, ...] = (5, 6, 3),
    harmonics: int = 2,
    *,
    binary: bool = False,
    name: str = "probe",
    seed: int = 0,
) -> Program:
    rng = np.random.default_rng(seed)

    def requantise(outputs: int, reach: float) -> Requantise:
        shift = max(0, int(np.log2(max(reach, 1.0) / 128)))
        return Requantise(
            rng.integers(2**30, 2**31, outputs, dtype=np.int64).astype(np.int32),
            np.full(outputs, shift, np.int32),
            int(rng.integers(-20, 20)),
        )

    layers: list[DenseLayer | SparseLayer] = []
    for number, (inputs, outputs) in enumerate(pairwise(widths)):
        bias = rng.integers(-3000, 3000, outputs).astype(np.int32)
        if binary and number == 0:
            rows = rng.integers(-127, 128, (inputs, outputs)).astype(np.int8)
            layers.append(SparseLayer(rows, bias, requantise(outputs, 60 * np.sqrt(inputs))))
            continue
        angle = 0.03 * np.arange(-128, 128)[:, None] * np.arange(1, harmonics + 1)
        table = np.stack((np.cos(angle), np.sin(angle)), axis=-1).reshape(256, -1)
        weights = rng.integers(-127, 128, (outputs, inputs, 2 * harmonics)).astype(np.int8)
        reach = 60.0 * 90 * np.sqrt(inputs * 2 * harmonics)
        layers.append(DenseLayer(np.rint(127 * table).astype(np.int8), weights, bias, requantise(outputs, reach)))

    step = InputStep(
        offset=(np.zeros(widths[0]) if binary else rng.normal(size=widths[0])).astype(np.float32),
        doubled_gain=(np.full(widths[0], 2.0) if binary else rng.normal(100, 30, widths[0])).astype(np.float32),
        zero=0 if binary else -7,
        lowest=0 if binary else -128,
        highest=1 if binary else 127,
        names=tuple(f"input {i}" for i in range(widths[0])),
    )
    return Program(
        name=name,
        input=step,
        layers=tuple(layers),
        class_names=tuple(f"class {c}" for c in range(widths[-1])),
        code_scales=(0.02,) * len(layers),
        score_scale=1e-4,
        logit_scale=0.05,
        probability=np.rint(2**15 * np.exp(-0.05 * np.arange(256))).astype(np.uint16),
        provenance={"origin": "random numbers"},
    )


def random_inputs(program: Program, rows: int, seed: int = 1) -> np.ndarray:
    """Rows that reach every code, both ends, beyond them, and what is not a number."""
    rng = np.random.default_rng(seed)
    if program.input.highest == 1:
        x = (rng.random((rows, program.inputs)) < 0.2).astype(np.float32)
    else:
        codes = rng.integers(-140, 140, (rows, program.inputs)) + rng.choice([0.0, 0.5], (rows, program.inputs))
        x = (program.input.offset + 2 * codes / program.input.doubled_gain).astype(np.float32)
    special = np.array([np.nan, np.inf, -np.inf, 3e38, -3e38, 1e-42, 0.0, -0.0], np.float32)
    x[0] = special[np.arange(program.inputs) % len(special)]
    return x
