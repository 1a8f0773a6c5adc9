"""What the sparse kernel saves on documents: instructions and flash on Cora, beside the dense kernel.

    python benchmarks/documents.py --data-root ../shared/data

The dense program holds the same weights: its value table has the rows 0 and 1, so that both compute the same bytes and
only the way there differs. Writes benchmarks/results/documents.md.
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from kangen.codegen.c import Golden, emit_c
from kangen.codegen.lower import lower
from kangen.codegen.program import DenseLayer, Program, SparseLayer
from kangen.codegen.targets import TARGETS
from kangen.distill.data.registry import load
from kangen.distill.training import recommended, train
from kangen.runtimes import reference
from kangen.runtimes.evidence import CoreResult, verify_core
from kangen.runtimes.records import expected
from kangen.runtimes.toolchains import Workbench

CORES = ("m0", "m3", "m4")
RESULT = Path(__file__).parent / "results" / "documents.md"


def as_dense(program: Program) -> Program:
    """The same sums through the dense kernel: a table that is 0 for code 0 and 1 for code 1, the rows as weights."""
    layer = program.layers[0]
    if not isinstance(layer, SparseLayer):
        raise SystemExit("the first layer is not sparse: the data have other values than 0 and 1")
    table = np.zeros((256, 2), np.int8)
    table[128 + 1, 0] = 1
    weights = np.zeros((layer.outputs, layer.inputs, 2), np.int8)
    weights[:, :, 0] = layer.rows.T
    dense = DenseLayer(table, weights, layer.bias, layer.requantise)
    return dataclasses.replace(program, name="words_dense", layers=(dense, *program.layers[1:]))


def evidence(core: str, program: Program, documents: sp.csr_matrix, bench: Workbench) -> CoreResult:
    """Every document through one core; equal to the reference, or no figures."""
    golden = documents[:4]
    out = reference.run(program, golden)
    probabilities = reference.probabilities(program, out.logits)
    vectors = Golden(golden.toarray(), out.codes, out.saturated, out.scores, out.logits, probabilities, out.labels)
    sources = emit_c(program, TARGETS["cortex-m"], vectors)
    result = verify_core(core, sources, program.name, documents, expected(program, documents), bench, probes=64)
    if not result.good:
        raise SystemExit(f"{result.title}, {program.name}: {result.status}")
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-root", type=Path, help="a folder with planetoid/Cora; downloads without it")
    parser.add_argument("--hidden", type=int, default=16)
    parser.add_argument("--run", type=Path, help="keep the training run here")
    given = parser.parse_args()

    data = load("cora", root=given.data_root)
    with tempfile.TemporaryDirectory() as scratch:
        run = train(data, recommended(data, hidden=(given.hidden,), dropout=0.1), given.run or Path(scratch) / "run")
    lowered = lower(run.student, data, "words", {"data": "cora"})
    documents = data.rows(data.test)
    words = np.diff(documents.indptr)
    labels = reference.run(lowered.program, documents).labels
    accuracy = float((labels == data.y[data.test]).mean())
    lines = [
        "# Cora: a document through the sparse and the dense kernel",
        "",
        f"    python benchmarks/documents.py --data-root … --hidden {given.hidden}",
        "",
        f"{data.features:,} inputs → {given.hidden} → {data.classes}; {len(words):,} test documents of "
        f"{words.min()} to {words.max()} words, {words.mean():.1f} on average. "
        f"Student {run.metrics['student']['test']:.3f}, int8 {accuracy:.3f} on them. "
        "Both kernels give equal bytes on every document. The dense kernel's rows hold four "
        "features, two of them padding, which is what one harmonic costs it.",
        "",
        "| core | compiler | sparse: instructions (least to most) | dense | ratio | sparse flash | dense flash |",
        "|---|---|---|---|---|---|---|",
    ]
    with Workbench() as bench:
        for core in CORES:
            sparse, dense = (
                evidence(core, program, documents, bench) for program in (lowered.program, as_dense(lowered.program))
            )
            fewer, more = sparse.instructions["predict_q"], dense.instructions["predict_q"]
            if fewer is None or more is None:
                raise SystemExit(f"{sparse.title}: the emulator could not count; install kangen[emulate]")
            lines.append(
                f"| {sparse.title} | {sparse.compiler} | {fewer.mean:,.0f} ({fewer.least:,} to {fewer.most:,}) "
                f"| {more.mean:,.0f} | {more.mean / fewer.mean:.1f} | {sparse.flash:,} | {dense.flash:,} |"
            )
            print(lines[-1], flush=True)
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text("\n".join(lines) + "\n")
    print(f"\n{RESULT.relative_to(Path.cwd()) if RESULT.is_relative_to(Path.cwd()) else RESULT}")


if __name__ == "__main__":
    main()
