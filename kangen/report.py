"""REPORT.html: one file for people, pictures first. The same build gives the same bytes: no clock, no path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from kangen.codegen.program import Int32s, Program
from kangen.console import count, share
from kangen.edges import strongest_edges
from kangen.inspection import byte_breakdown
from kangen.pictures import captions, edges_svg
from kangen.runtimes import reference
from kangen.samples import Samples
from kangen.tables import (
    LAYER_COLUMNS,
    VERIFICATION_COLUMNS,
    VERIFICATION_LEFT,
    VERIFICATION_LEGEND,
    layer_rows,
    verification_notes,
    verification_rows,
)

EDGES = 12
INPUT_ROWS = 64  # the most influential ones, where there are more


@cache
def _template(name: str) -> str:
    return (resources.files("kangen.templates") / "report" / name).read_text(encoding="utf-8")


def render(manifest: Mapping[str, Any], program: Program, samples: Samples) -> bytes:
    environment = Environment(undefined=StrictUndefined, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    outputs = reference.run(program, samples.x)
    page = environment.from_string(_template("report.html.j2")).render(
        style=Markup(_template("style.css.j2")),  # noqa: S704 - our own file
        name=program.name,
        identity=program.identity,
        lead=_lead(program),
        figures=_figures(manifest),
        pictures=_pictures(program, samples),
        confusion=_confusion(program, samples, outputs.labels),
        bytes=_bytes(program),
        layers={"columns": LAYER_COLUMNS, "rows": layer_rows(program)},
        inputs=_inputs(program, samples),
        verification=_verification(manifest["verification"]),
        snippet=use_in_c(program),
        facts=_facts(manifest),
        files=[{**facts, "name": name} for name, facts in manifest["files"].items()],
    )
    return page.encode()


def use_in_c(program: Program) -> str:
    """The five lines of C that use the model."""
    # C, not HTML: nothing is to be escaped.
    environment = Environment(undefined=StrictUndefined, autoescape=False)  # noqa: S701
    values = {"name": program.name, "prefix": program.name.upper(), "last_class": program.classes - 1}
    return environment.from_string(_template("use.c.j2")).render(**values)


def _lead(program: Program) -> str:
    widths = " → ".join(str(width) for width in (program.inputs, *(layer.outputs for layer in program.layers)))
    return f"{program.inputs:,} inputs, {program.classes} classes, a Fourier-KAN of {widths} in integers."


def _figures(manifest: Mapping[str, Any]) -> list[dict[str, str]]:
    accuracy, model, verified = manifest["accuracy"], manifest["model"], manifest["verification"]
    sparse = "sparse" in manifest["choices"]["kernels"]
    work = "additions and multiplications at most, were every input 1" if sparse else "multiply-adds an answer"
    found = [
        {"value": share(accuracy["teacher"]["test"]), "label": "teacher, test rows", "mood": ""},
        {"value": share(accuracy["student"]["test"]), "label": "student in float", "mood": ""},
        {"value": share(accuracy["int8"]["test"]), "label": "student in int8, as it runs", "mood": ""},
        {"value": f"{model['constant_bytes'] / 1024:,.1f} KB", "label": "weights and tables", "mood": ""},
        {"value": count(model["macs"]), "label": work, "mood": ""},
    ]
    if verified:
        checks = verified["checks"]
        equal = sum(check["difference"] is None for check in checks)
        label = f"{equal} of {len(checks)} runs equal, byte for byte"
        if verified["changed_files"]:
            label = f"{len(verified['changed_files'])} files are not what the Program emits"
        value, mood = ("verified", "good") if verified["passed"] else ("differs", "bad")
        found.append({"value": value, "label": label, "mood": mood})
    return found


def _pictures(program: Program, samples: Samples) -> list[dict[str, Any]]:
    return [
        {"title": title, "caption": caption, "svg": Markup(edges_svg(layer))}  # noqa: S704 - drawn here
        for layer in strongest_edges(program, EDGES, samples)
        for title, caption in [captions(layer)]
    ]


def _confusion(program: Program, samples: Samples, labels: Int32s) -> dict[str, Any]:
    rows = samples.test & (samples.y >= 0)
    table = np.zeros((program.classes, program.classes), np.int64)
    np.add.at(table, (samples.y[rows], labels[rows]), 1)
    totals = table.sum(axis=1)
    lines = []
    for truth, name in enumerate(program.class_names):
        cells = [
            {
                "text": str(value) if value else "",
                "alpha": f"{0.85 * value / max(int(totals[truth]), 1) + (0.04 if value else 0.02):.3f}",
                "strong": value > 0.5 * totals[truth],
            }
            for value in table[truth]
        ]
        right = share(float(table[truth, truth] / totals[truth]) if totals[truth] else None)
        lines.append({"name": name, "cells": cells, "right": right})
    caption = (
        f"{int(rows.sum()):,} test rows, which training never saw the labels of: a line for each true class, "
        "a column for each answer of the int8 model; at the end, the share that is right."
    )
    return {"columns": program.class_names, "rows": lines, "caption": caption}


def _bytes(program: Program) -> dict[str, Any]:
    parts = byte_breakdown(program)
    shades = np.linspace(0.95, 0.2, len(parts))
    return {
        "caption": f"{sum(parts.values()):,} bytes of constants. What the code takes is measured for each core, below.",
        "parts": [
            {"name": name, "bytes": size, "text": f"{size:,}", "alpha": f"{shade:.2f}"}
            for (name, size), shade in zip(parts.items(), shades, strict=True)
        ],
    }


def _inputs(program: Program, samples: Samples) -> dict[str, Any]:
    step = program.input
    codes, nan_or_outside = reference.quantise(step, samples.dense(slice(0, 4096)))
    chosen = _most_varied(codes, INPUT_ROWS)
    lines = []
    for i in chosen:
        gain = float(step.doubled_gain[i])
        unit = 2 / gain if gain else 0.0
        low, high = (float(step.offset[i]) + unit * (end - step.zero) for end in (step.lowest, step.highest))
        share_outside = float(np.mean((codes[:, i] == step.lowest) | (codes[:, i] == step.highest)))
        lines.append(
            {
                "name": step.names[i],
                "low": f"{min(low, high):.4g}",
                "high": f"{max(low, high):.4g}",
                "step": f"{abs(unit):.2g}",
                "outside": "–" if step.highest == 1 else f"{100 * share_outside:.1f} %",
                "points": _spark(codes[:, i], step.lowest, step.highest, reverse=unit < 0),
            }
        )
    rest = f" The {len(chosen)} that vary most of {program.inputs:,}." if len(chosen) < program.inputs else ""
    touched = share(float(np.mean(nan_or_outside > 0)))
    caption = (
        f"Codes {step.lowest} to {step.highest} stand for these ranges; what lies outside is clamped to the nearest "
        f"end and counted, NaN is taken as the code {step.zero}. {touched} of the rows have at least one such input."
        f"{rest}"
    )
    return {"rows": lines, "caption": caption}


def _most_varied(codes: Any, most: int) -> list[int]:
    if codes.shape[1] <= most:
        return list(range(codes.shape[1]))
    order = np.argsort(-codes.astype(np.float64).std(axis=0), kind="stable")[:most]
    return [int(i) for i in order]


def _spark(codes: Any, lowest: int, highest: int, *, reverse: bool) -> str:
    bins = 2 if highest - lowest == 1 else 32
    counted = np.histogram(codes, bins=bins, range=(lowest, highest + 1))[0].astype(np.float64)
    heights = 18 * counted / max(counted.max(), 1.0)
    if reverse:
        heights = heights[::-1]
    width = 64 / bins
    points = ["0,20"]
    for number, height in enumerate(heights):
        points += [f"{number * width:g},{20 - height:.1f}", f"{(number + 1) * width:g},{20 - height:.1f}"]
    return " ".join([*points, "64,20"])


def _verification(found: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if found is None:
        return None
    runs = len(found["checks"])
    verdict = (
        f"Yes: {runs} runs of {found['rows']:,} rows gave the bytes of the integer reference."
        if found["passed"]
        else f"No: {found['first_difference']}."
    )
    notes = verification_notes(found) + [
        f"{skipped['what']} was not run: {skipped['reason']}" for skipped in found["skipped"]
    ]
    return {
        "mood": "good" if found["passed"] else "bad",
        "verdict": verdict,
        "columns": VERIFICATION_COLUMNS,
        "left": VERIFICATION_LEFT,
        "legend": VERIFICATION_LEGEND,
        "targets": verification_rows(found),
        "notes": notes,
    }


def _facts(manifest: Mapping[str, Any]) -> list[tuple[str, str]]:
    data, training, choices = manifest["data"], manifest["training"], manifest["choices"]
    agreement = manifest["agreement"]
    teacher = training["teacher"].upper() if manifest["accuracy"]["teacher"]["val"] is not None else "none"
    return [
        *{"data": data["name"], **data["provenance"]}.items(),
        ("rows and edges", f"{data['rows']:,} and {data['edges']:,}"),
        (
            "split",
            f"{data['train']:,} for training, {data['val']:,} for choosing, {data['test']:,} for the test",
        ),
        ("method", f"{training['method']}, teacher {teacher}, seed {training['seed']}"),
        ("student", f"hidden {_list(training['hidden'])}, {training['harmonics']} harmonics"),
        ("int8", "fine-tuned through the roundings" if choices["finetuned_for_int8"] else "rounded; no fine-tuning"),
        ("same label as float", f"{share(agreement['int8_equals_float'])} of {agreement['rows']:,} rows"),
        ("targets", _list(manifest["targets"])),
        ("made by", f"kangen {manifest['kangen']}"),
    ]


def _list(values: Sequence[Any] | Mapping[str, Any]) -> str:
    return ", ".join(str(value) for value in values) or "none"
