"""The C emitter: a Program becomes NAME.h, NAME.c and NAME_golden.h.

Everything is worked out here, as numbers and as lines of text; the templates only put them in place, in the order in
which this file prepares them. docs/output-format.md states what the result promises.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from jinja2 import Environment, PackageLoader, StrictUndefined

from kangen.codegen.ctext import count, float_literal, number_lines, string_literal, wrapped
from kangen.codegen.datasheet import alike, data_sheet
from kangen.codegen.footprint import buffers, cost, scratch_bytes
from kangen.codegen.kernels import dense
from kangen.codegen.names import check_name
from kangen.codegen.program import DenseLayer, Float32s, InputStep, Int8s, Int32s, Program, SparseLayer
from kangen.codegen.targets import Target

__all__ = ["FORMAT", "Golden", "check_name", "cost", "emit_c", "scratch_bytes"]

FORMAT = 1
UNROLLED_WORDS = 4  # longer table rows are walked by a loop


@dataclass(frozen=True)
class Golden:
    """Inputs, and what the reference makes of them, one row a vector."""

    x: Float32s  # [n, inputs]
    codes: Int8s  # [n, inputs]
    saturated: Int32s  # [n]
    scores: Int32s  # [n, classes]
    logits: Int8s  # [n, classes]
    probabilities: npt.NDArray[np.uint16]  # [n, classes]
    labels: Int32s  # [n]


def emit_c(program: Program, target: Target, golden: Golden) -> dict[str, bytes]:
    """The three files, by name. Equal arguments give equal bytes."""
    check_name(program.name)
    environment = Environment(  # noqa: S701 - C, not HTML
        loader=PackageLoader("kangen.templates", "c"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    name = program.name
    fields = _front(program, target) | data_sheet(program) | _model(program, target) | _golden(golden)
    files = {f"{name}.h": "model.h.j2", f"{name}.c": "model.c.j2", f"{name}_golden.h": "golden.h.j2"}
    return {file: environment.get_template(template).render(fields).encode() for file, template in files.items()}


# ---- What every file says first


def _front(program: Program, target: Target) -> dict[str, Any]:
    return {
        "p": program.name,
        "P": program.name.upper(),
        "identity": program.identity,
        "identity_upper": program.identity.upper(),
        "format": FORMAT,
        "target": target,
        "inputs": program.inputs,
        "classes": program.classes,
        "scratch": scratch_bytes(program),
    }


# ---- NAME.c


def _model(program: Program, target: Target) -> dict[str, Any]:
    dense_layers = [layer for layer in program.layers if isinstance(layer, DenseLayer)]
    uses_dsp = bool(dense_layers) and target.dsp != "never"
    return {
        "uses_dsp": uses_dsp,
        "settles": bool(target.cores) and target.dsp != "always",
        "aligned": f" {program.name.upper()}_ALIGNED" if uses_dsp else "",
        "scaling": None if alike(program.input) else _scaling(program.input),
        "step": _input_step(program),
        "layers": (layers := _layers(program)),
        "last": layers[-1],
        "probability": number_lines(program.probability),
        "class_literals": [f"{string_literal(text)}," for text in program.class_names],
        "steps": _dense_steps(dense_layers),
        "sparse": _sparse_kernel(program),
        "dense_kernels": _dense_kernels(dense_layers),
        "buffers": [{"name": name, "size": size} for name, size in buffers(program)],
    }


def _scaling(step: InputStep) -> dict[str, list[str]]:
    return {
        "offset": wrapped(f"{float_literal(value)}," for value in step.offset),
        "doubled_gain": wrapped(f"{float_literal(value)}," for value in step.doubled_gain),
    }


def _input_step(program: Program) -> dict[str, str]:
    step, same = program.input, alike(program.input)
    return {
        "offset": _operand(float_literal(step.offset[0])) if same else f"{program.name}_offset[input]",
        "doubled_gain": _operand(float_literal(step.doubled_gain[0]))
        if same
        else f"{program.name}_doubled_gain[input]",
        "low": float_literal(np.float32(2 * (step.lowest - step.zero) - 1)),
        "high": float_literal(np.float32(2 * (step.highest - step.zero) + 1)),
        "lowest": str(step.lowest),
        "highest": str(step.highest),
        "zero": str(step.zero),
        "plus_zero": f"{'-' if step.zero < 0 else '+'} {abs(step.zero)}",
    }


def _layers(program: Program) -> list[dict[str, Any]]:
    """Data and calls of each layer, in the order of running."""
    names = [name for name, _ in buffers(program)]
    final = len(program.layers) - 1
    views = []
    for number, (layer, item) in enumerate(zip(program.layers, cost(program), strict=True)):
        scale = layer.requantise
        views.append(
            {
                "number": number,
                "kernel": layer.kernel,
                "inputs": layer.inputs,
                "outputs": layer.outputs,
                "summary": f"{layer.kernel}, {count(layer.inputs, 'input')}, {count(layer.outputs, 'output')}",
                "last": number == final,
                "source": "codes" if number == 0 else names[(number - 1) % 2],
                "destination": "scores" if number == final else names[number % 2],
                "weight_bytes": item.weights,
                "table_bytes": item.tables,
                "bias": number_lines(layer.bias),
                "multiplier": number_lines(scale.multiplier),
                "shift": number_lines(scale.shift),
                "zero": scale.zero,
                **(_dense_layer(layer) if isinstance(layer, DenseLayer) else _sparse_layer(layer)),
            }
        )
    return views


def _dense_layer(layer: DenseLayer) -> dict[str, Any]:
    panels, row_words = dense.panels(layer), dense.words(layer)
    whole, rest = divmod(layer.outputs, dense.PANEL)
    whole_outputs = whole * dense.PANEL
    return {
        "feature_names": ", ".join(f"cos {k}, sin {k}" for k in range(1, layer.harmonics + 1)),
        "padding": row_words * dense.WORD - 2 * layer.harmonics,
        "table": [line for row in dense.pack_table(layer) for line in number_lines(row)],
        "panels": [
            {
                "title": f"output {panel[0]}" if len(panel) == 1 else f"outputs {panel[0]}..{panel[-1]}",
                "lines": [line for row in rows for line in number_lines(row)],
            }
            for panel, rows in zip(panels, dense.pack_weights(layer), strict=True)
        ],
        "zero_row": 128 * row_words * dense.WORD,
        "sums": min(dense.PANEL, layer.outputs),
        "whole": f"{dense.PANEL}x{row_words}" if whole else "",
        "whole_outputs": whole_outputs,
        "rest": f"{rest}x{row_words}" if rest else "",
        "rest_outputs": rest,
        "rest_at": f" + {whole_outputs}" if whole else "",
    }


def _sparse_layer(layer: SparseLayer) -> dict[str, Any]:
    return {"rows": [line for row in layer.rows for line in number_lines(row)]}


def _dense_steps(layers: Sequence[DenseLayer]) -> list[dict[str, Any]]:
    """How one feature word meets the weights of a panel, for each width of panel that occurs."""
    widths = {len(panel) for layer in layers for panel in dense.panels(layer)}
    return [_dense_step(outputs) for outputs in sorted(widths, reverse=True)]


def _dense_step(outputs: int) -> dict[str, Any]:
    registers = ["first", "second"][:outputs]
    return {
        "outputs": outputs,
        "each": "one output" if outputs == 1 else f"each of {outputs} outputs",
        "settled": ", ".join(f'"+r"((sums)[{n}])' for n in range(outputs)),
        "registers": registers,
        "registers_out": ", ".join(f'[{word}] "=&h"({word})' for word in registers),
        "sums_out": ", ".join(f'[sum{n}] "+&r"(sums[{n}])' for n in range(outputs)),
        "loads": _loads(outputs),
        "lanes": [
            {"feature": n, "weights": [(output, dense.WORD * output + n) for output in range(outputs)]}
            for n in range(dense.WORD)
        ],
        "weight_bytes": dense.WORD * outputs,
    }


def _loads(outputs: int) -> list[dict[str, Any]]:
    """Weight words two at a time, the last alone where the outputs are odd in number."""
    pairs = [
        {"text": "ldrd %[first], %[second], [%[weights]], #8", "outputs": [(n, "first"), (n + 1, "second")]}
        for n in range(0, outputs - 1, 2)
    ]
    single = [{"text": "ldr %[first], [%[weights]], #4", "outputs": [(outputs - 1, "first")]}] if outputs % 2 else []
    return pairs + single


def _dense_kernels(layers: Sequence[DenseLayer]) -> list[dict[str, Any]]:
    """One panel, for each pair of panel width and row length that occurs."""
    shapes = {(len(panel), dense.words(layer)) for layer in layers for panel in dense.panels(layer)}
    return [
        {
            "name": f"{outputs}x{row_words}",
            "outputs": outputs,
            "outputs_text": count(outputs, "output"),
            "words": row_words,
            "words_text": count(row_words, "word"),
            "row_bytes": row_words * dense.WORD,
            "looped": row_words > UNROLLED_WORDS,
            "unrolled": range(row_words),
            "sums": range(outputs),
        }
        for outputs, row_words in sorted(shapes, reverse=True)
    ]


def _sparse_kernel(program: Program) -> dict[str, Any] | None:
    """Only a first layer can be sparse."""
    layer = program.layers[0]
    if not isinstance(layer, SparseLayer):
        return None
    whole = layer.outputs - layer.outputs % 4
    return {"outputs": layer.outputs, "whole": whole, "rest": range(whole, layer.outputs)}


def _operand(literal: str) -> str:
    return f"({literal})" if literal.startswith("-") else literal


# ---- NAME_golden.h


def _golden(golden: Golden) -> dict[str, Any]:
    bits = np.ascontiguousarray(golden.x, dtype=np.float32).view(np.uint32)
    return {
        "vectors": len(golden.x),
        "golden": {
            "x": [wrapped(f"0x{value:08x}u," for value in row) for row in bits],
            "codes": [number_lines(row) for row in golden.codes],
            "saturated": number_lines(golden.saturated),
            "scores": [number_lines(row) for row in golden.scores],
            "logits": [number_lines(row) for row in golden.logits],
            "probabilities": [number_lines(row) for row in golden.probabilities],
            "labels": number_lines(golden.labels),
        },
    }
