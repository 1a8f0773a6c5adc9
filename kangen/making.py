"""From a run to a build: lower the student, answer every kept row, emit the C, describe it, write it whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kangen import __version__, directory
from kangen.codegen.c import Golden, emit_c
from kangen.codegen.footprint import scratch_bytes
from kangen.codegen.program import Float32s, Int32s, Program
from kangen.codegen.targets import TARGETS
from kangen.console import Report
from kangen.distill.files import json_bytes
from kangen.inspection import byte_breakdown, inspection, layer_json
from kangen.report import render
from kangen.runtimes import reference
from kangen.samples import FloatEdges, Samples

if TYPE_CHECKING:
    from kangen.codegen.lower import Lowered
    from kangen.distill.checkpoints import Run
    from kangen.distill.data.nodes import NodeData
    from kangen.distill.student import Student

GOLDEN_ROWS = 16
GOLDEN_FLOATS = 4096  # fewer rows where they are wide: the vectors are part of somebody's firmware project
STUDENT_BATCH = 4096
EDGE_BYTES = 4_000_000  # float edges of a larger layer are left out; its picture fits them from the integers


@dataclass(frozen=True)
class Build:
    """A finished build; ``manifest`` is the content of its NAME.json."""

    directory: Path
    program: Program
    manifest: Mapping[str, Any]


def make(run: Run, data: NodeData, name: str, targets: Sequence[str], place: Path, report: Report) -> Build:
    from kangen.codegen.lower import lower

    stage = "quantising"
    report(stage, 0, 2)
    lowered = lower(run.student, data, name, _provenance(run, data), lambda text: report(stage, 1, 2, text))
    program = lowered.program
    report(stage, 2, 2, f"Program {program.identity}")

    stage = "writing the C and its report"
    report(stage, 0, 2)
    samples = _samples(run.student, data, lowered)
    files: dict[str, bytes] = emitted(program, targets, samples)
    report(stage, 1, 2)
    files[directory.PROGRAM] = program.pack()
    files[directory.SAMPLES] = samples.pack()
    manifest = _manifest(run, data, lowered, samples, targets)
    described = finished(manifest, files, program, samples)
    directory.replace(place, described)
    report(stage, 2, 2, str(place))
    return Build(place, program, manifest)


def emitted(program: Program, targets: Sequence[str], samples: Samples) -> dict[str, bytes]:
    """The C of every target: beside one another for one target, in a folder each for several."""
    vectors = golden(program, samples)
    files: dict[str, bytes] = {}
    for target in targets:
        for name, content in emit_c(program, TARGETS[target], vectors).items():
            files[name if len(targets) == 1 else f"{target}/{name}"] = content
    return files


def finished(manifest: dict[str, Any], files: dict[str, bytes], program: Program, samples: Samples) -> dict[str, bytes]:
    """The files with their report and their manifest, which names every one of them and its hash."""
    manifest["files"] = {name: directory.digest(content) for name, content in sorted(files.items())}
    page = render(manifest, program, samples)
    manifest["files"][directory.REPORT] = directory.digest(page)
    return {**files, directory.REPORT: page, f"{program.name}.json": json_bytes(manifest)}


def golden(program: Program, samples: Samples) -> Golden:
    """Test rows of every class, and rows at and beyond the ends of the inputs' ranges."""
    x = _golden_rows(program, samples)
    out = reference.run(program, x)
    return Golden(
        x=x,
        codes=out.codes,
        saturated=out.saturated,
        scores=out.scores,
        logits=out.logits,
        probabilities=reference.probabilities(program, out.logits),
        labels=out.labels,
    )


def _golden_rows(program: Program, samples: Samples) -> Float32s:
    count = max(4, min(GOLDEN_ROWS, GOLDEN_FLOATS // program.inputs))
    step = program.input
    odd = np.array([np.nan, np.inf, -np.inf, 3e38, -0.0], np.float32)
    beyond = np.resize(odd, program.inputs)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        highest = step.offset + np.float32(2 * (step.highest - step.zero)) / step.doubled_gain
    ends = np.where(np.isfinite(highest), highest, step.offset).astype(np.float32)
    special = np.stack((beyond, ends))
    # One row of each class that the model answers with, then the next ones, from the rows that were held back.
    candidates = np.flatnonzero(samples.test) if samples.test.any() else np.arange(samples.rows)
    turn = np.zeros(len(candidates), np.int64)
    for label in np.unique(samples.float_labels[candidates]):
        same = samples.float_labels[candidates] == label
        turn[same] = np.arange(same.sum())
    chosen = candidates[np.argsort(turn, kind="stable")[: count - len(special)]]
    return np.concatenate((samples.dense(chosen), special)).astype(np.float32)


def _provenance(run: Run, data: NodeData) -> dict[str, str]:
    """How the model was made, for those who meet it in a firmware project. No path, no clock."""
    config = run.config
    facts = {"data": data.name, **{key: str(value) for key, value in sorted(data.provenance.items())}}
    facts |= {
        "method": config.method,
        "teacher": config.teacher if "teacher" in run.metrics else "none",
        "seed": str(config.seed),
    }
    accuracy = run.metrics["student"].get("test")
    if accuracy is not None:
        facts["float accuracy on test rows"] = f"{accuracy:.4f}"
    return facts | {"made by": f"kangen {__version__}"}


def _samples(student: Student, data: NodeData, lowered: Lowered) -> Samples:
    # Measurements are kept whole; documents, wide and sparse, by their test rows.
    kept = data.test if data.sparse and data.test.any() else np.ones(data.nodes, dtype=np.bool_)
    x = data.rows(kept)
    edges = {}
    for number, layer in enumerate(lowered.folded.layers):
        weights = layer.weights.detach().numpy().astype(np.float32)
        if layer.frequency is not None and weights.nbytes <= EDGE_BYTES:
            edges[number] = FloatEdges(weights, layer.frequency.detach().numpy().astype(np.float32))
    return Samples(
        identity=lowered.program.identity,
        x=x if data.sparse else np.asarray(x, dtype=np.float32),
        y=data.y[kept].astype(np.int32),
        float_labels=_float_labels(student, x),
        test=data.test[kept],
        edges=edges,
    )


def _float_labels(student: Student, x: Any) -> Int32s:
    import torch

    from kangen.distill.student import as_tensor

    parts: list[npt.NDArray[Any]] = [np.zeros(0, np.int32)]
    with torch.no_grad():
        for start in range(0, x.shape[0], STUDENT_BATCH):
            logits = student(as_tensor(x[start : start + STUDENT_BATCH], student.config))
            parts.append(logits.argmax(1).numpy())
    return np.concatenate(parts).astype(np.int32)


def _manifest(run: Run, data: NodeData, lowered: Lowered, samples: Samples, targets: Sequence[str]) -> dict[str, Any]:
    program = lowered.program
    labels = reference.run(program, samples.x).labels
    on_test = samples.test
    known = on_test & (samples.y >= 0)
    accuracies = {
        "teacher": _accuracies(run.metrics.get("teacher")),
        "student": _accuracies(run.metrics["student"]),
        "int8": {"val": _number(lowered.int8_accuracy), "test": _share(labels[known] == samples.y[known])},
    }
    parts = byte_breakdown(program)
    return {
        "format": directory.FORMAT,
        "kangen": __version__,
        "name": program.name,
        "identity": program.identity,
        "accuracy": accuracies,
        "agreement": {
            "rows": samples.rows,
            "test_rows": int(on_test.sum()),
            "int8_equals_float": _share(labels == samples.float_labels),
            "int8_equals_float_on_test": _share((labels == samples.float_labels)[on_test]),
        },
        "model": {
            "inputs": program.inputs,
            "classes": program.classes,
            "class_names": list(program.class_names),
            "macs": program.macs,
            "scratch_bytes": scratch_bytes(program),
            "constant_bytes": sum(parts.values()),
            "bytes": parts,
            "layers": [layer_json(facts) for facts in inspection(program).layers],
        },
        "data": {
            "name": data.name,
            "rows": data.nodes,
            "edges": int(data.edge_index.shape[1]),
            "train": int(data.train.sum()),
            "val": int(data.val.sum()),
            "test": int(data.test.sum()),
            "provenance": dict(sorted(data.provenance.items())),
        },
        "training": run.config.to_json(),
        "choices": {
            "finetuned_for_int8": lowered.finetuned,
            "kernels": [layer.kernel for layer in program.layers],
            "standardised_inputs": data.standardise,
            "input_codes": [program.input.lowest, program.input.highest],
        },
        "targets": {name: {"summary": TARGETS[name].summary, "cores": list(TARGETS[name].cores)} for name in targets},
        "files": {},
        "verification": None,
    }


def _accuracies(metrics: Mapping[str, Any] | None) -> dict[str, float | None]:
    return {part: _number((metrics or {}).get(part)) for part in ("val", "test")}


def _number(value: float | None) -> float | None:
    return None if value is None or not np.isfinite(value) else round(float(value), 6)


def _share(flags: npt.NDArray[np.bool_]) -> float | None:
    return _number(float(flags.mean())) if len(flags) else None
