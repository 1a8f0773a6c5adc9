"""A Program laid out for people: its layers with sizes, work and proven bounds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kangen.codegen.datasheet import alike
from kangen.codegen.footprint import cost
from kangen.codegen.program import ACCUMULATOR_MAX, DenseLayer, Layer, Program
from kangen.distill.errors import InputError
from kangen.distill.files import write_atomic
from kangen.edges import input_zero
from kangen.samples import Samples


@dataclass(frozen=True)
class LayerFacts:
    number: int
    kernel: str
    inputs: int
    outputs: int
    harmonics: int | None
    code_scale: float  # what one step of the input code is worth
    code_zero: int
    requantise: tuple[float, float]  # the smallest and the largest real multiplier over the outputs
    weight_bytes: int
    table_bytes: int
    other_bytes: int  # biases, multipliers and shifts
    macs: int
    bound: int  # the largest magnitude that an accumulator can reach

    @property
    def bound_share(self) -> float:
        return self.bound / ACCUMULATOR_MAX


@dataclass(frozen=True)
class Inspection:
    """What ``kangen inspect`` shows."""

    program: Program
    samples: Samples | None
    layers: tuple[LayerFacts, ...]

    def picture(self, path: Path | str, count: int = 12) -> None:
        """Draw the most influential edge functions of every layer into a PNG."""
        from kangen.edges import strongest_edges
        from kangen.pictures import edges_png

        path = Path(path)
        if path.suffix.lower() != ".png":
            raise InputError(f"{path}: the picture is a PNG; give it a name that ends in .png")
        write_atomic(path, edges_png(strongest_edges(self.program, count, self.samples)))


def layer_facts(program: Program, number: int) -> LayerFacts:
    layer: Layer = program.layers[number]
    costs = cost(program)[number]
    ratio = layer.requantise.multiplier / np.exp2(31.0 + layer.requantise.shift)
    return LayerFacts(
        number=number,
        kernel=layer.kernel,
        inputs=layer.inputs,
        outputs=layer.outputs,
        harmonics=layer.harmonics if isinstance(layer, DenseLayer) else None,
        code_scale=program.code_scales[number],
        code_zero=input_zero(program, number),
        requantise=(float(ratio.min()), float(ratio.max())),
        weight_bytes=costs.weights,
        table_bytes=costs.tables,
        other_bytes=costs.constants,
        macs=costs.macs,
        bound=int(layer.bounds.max()),
    )


def inspection(program: Program, samples: Samples | None = None) -> Inspection:
    return Inspection(program, samples, tuple(layer_facts(program, n) for n in range(len(program.layers))))


def byte_breakdown(program: Program) -> dict[str, int]:
    """The bytes of the model's constants by what they are for, largest first; the code itself is measured by verify."""
    facts = [layer_facts(program, number) for number in range(len(program.layers))]
    parts = {f"layer {f.number} weights": f.weight_bytes for f in facts}
    parts |= {f"layer {f.number} sine table": f.table_bytes for f in facts if f.table_bytes}
    parts["biases and multipliers"] = sum(f.other_bytes for f in facts)
    step = program.input
    if not alike(step):  # one for all needs no table
        parts["input scaling"] = step.offset.nbytes + step.doubled_gain.nbytes
    parts["probability table"] = program.probability.nbytes
    return dict(sorted(parts.items(), key=lambda part: -part[1]))


def layer_json(facts: LayerFacts) -> dict[str, Any]:
    return {
        "kernel": facts.kernel,
        "inputs": facts.inputs,
        "outputs": facts.outputs,
        "harmonics": facts.harmonics,
        "code_scale": facts.code_scale,
        "code_zero": facts.code_zero,
        "weight_bytes": facts.weight_bytes,
        "table_bytes": facts.table_bytes,
        "other_bytes": facts.other_bytes,
        "macs": facts.macs,
        "accumulator_bound": facts.bound,
        "accumulator_limit": ACCUMULATOR_MAX,
    }
