"""The data sheet that NAME.h begins with: sizes, layers, inputs, classes and provenance as lines of text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from kangen.codegen.ctext import comment_text, count, wrapped
from kangen.codegen.footprint import cost, scratch_bytes
from kangen.codegen.program import DenseLayer, InputStep, Program


def data_sheet(program: Program) -> dict[str, Any]:
    classes = program.classes
    return {
        "summary": f"{count(program.inputs, 'input')} to {count(classes, 'class', 'classes')}",
        "usage": _comment(_usage_lines(program)),
        "sizes": _comment(_size_lines(program)),
        "layer_table": _comment(_layer_lines(program)),
        "input_table": _comment(_input_lines(program.input)),
        "class_table": _comment(_class_lines(program)),
        "score_scale": f"{program.score_scale:.6g}",
        "logit_scale": f"{program.logit_scale:.6g}",
        "provenance": _comment(_provenance_lines(program)),
    }


def _usage_lines(program: Program) -> list[str]:
    name, macro = program.name, program.name.upper()
    calls = [
        (f"float x[{macro}_NUM_INPUTS];", "in the order and the units of INPUTS below"),
        (f"int label = {name}_predict(x);", f"0 to {program.classes - 1}"),
        (f"const char *text = {name}_class_names[label];", ""),
    ]
    return [f'#include "{name}.h"', "", *_columns(calls, "ll")]


def _size_lines(program: Program) -> list[str]:
    costs = cost(program)
    scaling = 0 if alike(program.input) else 8 * program.inputs
    weights = sum(item.weights for item in costs)
    tables = sum(item.tables for item in costs)
    constants = sum(item.constants for item in costs) + scaling
    exponentials = program.probability.nbytes
    rows = [
        ("weights", weights, ""),
        ("tables", tables, "sine and cosine"),
        ("scaling", constants, "biases, multipliers, shifts, offsets, gains"),
        ("exponentials", exponentials, f"only where {program.name}_probabilities is called"),
        ("constants", weights + tables + constants + exponentials, "the sum of the above: flash, besides the code"),
        ("scratch", scratch_bytes(program), "stack, all arrays together; writable memory otherwise: none"),
    ]
    return _columns([(label, str(size), note) for label, size, note in rows], "lrl")


def _layer_lines(program: Program) -> list[str]:
    rows = [
        (
            "layer",
            "kernel",
            "inputs",
            "outputs",
            "harmonics",
            "MACs",
            "weights",
            "tables",
            "code step",
            "bound of a sum",
        )
    ]
    for number, (layer, scale, item) in enumerate(zip(program.layers, program.code_scales, cost(program), strict=True)):
        harmonics = str(layer.harmonics) if isinstance(layer, DenseLayer) else "-"
        sizes = (str(layer.inputs), str(layer.outputs), harmonics, str(item.macs), str(item.weights), str(item.tables))
        rows.append((str(number), layer.kernel, *sizes, f"{scale:.6g}", str(int(layer.bounds.max()))))
    return _columns(rows, "rlrrrrrrrr")


def _input_lines(step: InputStep) -> list[str]:
    if alike(step):
        offset, gain, low, high = _scaling_row(step, 0)
        return [
            f"{count(len(step.names), 'input')}, all alike: offset {offset}, gain {gain}, range {low} to {high}.",
            "",
            *wrapped(f"{n}: {comment_text(text)};" for n, text in enumerate(step.names)),
        ]
    rows = [("input", "offset", "gain", "lowest", "highest", "name")]
    rows += [(str(n), *_scaling_row(step, n), comment_text(text)) for n, text in enumerate(step.names)]
    return _columns(rows, "rrrrrl")


def _scaling_row(step: InputStep, n: int) -> tuple[str, str, str, str]:
    """Offset, gain, and the measurements that the lowest and the highest code stand for."""
    offset, doubled = float(step.offset[n]), float(step.doubled_gain[n])
    if doubled == 0:
        ends = ["any", "any"]  # a constant measurement: every value becomes the zero point
    else:
        ends = [
            f"{end:.6g}"
            for end in sorted(offset + 2 * (code - step.zero) / doubled for code in (step.lowest, step.highest))
        ]
    return f"{offset:.9g}", f"{doubled / 2:.9g}", ends[0], ends[1]


def _class_lines(program: Program) -> list[str]:
    names = [(str(n), comment_text(text)) for n, text in enumerate(program.class_names)]
    return _columns([("label", "class"), *names], "rl")


def _provenance_lines(program: Program) -> list[str]:
    rows = [(comment_text(key), comment_text(text)) for key, text in sorted(program.provenance.items())]
    return _columns([*rows, ("program", program.identity)], "ll")


def alike(step: InputStep) -> bool:
    """One scaling for every input needs no table of them."""
    return bool((step.offset == step.offset[0]).all() and (step.doubled_gain == step.doubled_gain[0]).all())


def _comment(lines: Iterable[str]) -> list[str]:
    return [f" *   {line}".rstrip() for line in lines]


def _columns(rows: Iterable[Sequence[str]], sides: str) -> list[str]:
    """Rows as aligned text; ``sides`` says l or r for each column."""
    rows = list(rows)
    widths = [max(len(row[n]) for row in rows) for n in range(len(sides))]
    cells = [
        [
            text.ljust(width) if side == "l" else text.rjust(width)
            for text, width, side in zip(row, widths, sides, strict=True)
        ]
        for row in rows
    ]
    return ["  ".join(row).rstrip() for row in cells]
