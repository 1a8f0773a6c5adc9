"""What the sparse kernel saves on documents: instructions and flash on Cora, beside the dense kernel with the same sums.

    python benchmarks/documents.py --data-root ../shared/data

The dense program holds the same weights: its value table has the rows 0 and 1, so that both compute the same bytes and
only the way there differs. Writes benchmarks/results/documents.md.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import tempfile
from pathlib import Path

import numpy as np

from kangen.codegen.c import Golden, emit_c
from kangen.codegen.lower import lower
from kangen.codegen.program import DenseLayer, Program, SparseLayer
from kangen.codegen.targets import TARGETS
from kangen.distill.data.registry import load
from kangen.distill.training import recommended, train
from kangen.runtimes import reference
from kangen.runtimes.cores import core_named
from kangen.runtimes.emulated import emulators, run_emulated
from kangen.runtimes.firmware import BoardTooSmall
from kangen.runtimes.measure import measure
from kangen.runtimes.records import compare, expected
from kangen.runtimes.toolchains import Workbench, arm_compilers

CORES = ("m0", "m3", "m4")
RESULT = Path(__file__).parent / "results" / "documents.md"


def as_dense(program: Program) -> Program:
    """The same sums through the dense kernel: a table that is 0 for code 0 and 1 for code 1, and the rows as weights."""
    layer = program.layers[0]
    assert isinstance(layer, SparseLayer)
    table = np.zeros((256, 2), np.int8)
    table[128 + 1, 0] = 1
    weights = np.zeros((layer.outputs, layer.inputs, 2), np.int8)
    weights[:, :, 0] = layer.rows.T
    dense = DenseLayer(table, weights, layer.bias, layer.requantise)
    return dataclasses.replace(program, name="words_dense", layers=(dense, *program.layers[1:]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-root", type=Path, help="a folder with planetoid/Cora; downloads without it")
    parser.add_argument("--hidden", type=int, default=16)
    parser.add_argument("--run", type=Path, help="keep the training run here")
    given = parser.parse_args()

    data = load("cora", root=given.data_root)
    with tempfile.TemporaryDirectory() as scratch:
        run = train(data, recommended(data, hidden=(given.hidden,)), given.run or Path(scratch) / "run")
    lowered = lower(run.student, data, "words", {"data": "cora"})
    documents = data.rows(data.test)
    words = np.diff(documents.indptr)
    labels = reference.run(lowered.program, documents).labels
    accuracy = float((labels == data.y[data.test]).mean())
    lines = [
        "# Cora: a document through the sparse and the dense kernel",
        "",
        f"    python {' '.join(Path(sys.argv[0]).parts[-2:])} --data-root … --hidden {given.hidden}",
        "",
        f"{data.features:,} inputs → {given.hidden} → {data.classes}; {len(words):,} test documents of "
        f"{words.min()} to {words.max()} words, {words.mean():.1f} on average. Student {run.metrics['student']['test']:.3f}, "
        f"int8 {accuracy:.3f} on them. Both columns give equal bytes on every document. The dense kernel's rows hold four "
        "features, two of them padding, which is what one harmonic costs it.",
        "",
        "| core | compiler | sparse: instructions (least to most) | dense: instructions | ratio | sparse flash | dense flash |",
        "|---|---|---|---|---|---|---|",
    ]
    with Workbench() as bench:
        compiler = arm_compilers()[0]
        for name in CORES:
            core = core_named(name)
            cells = {}
            for program in (lowered.program, as_dense(lowered.program)):
                out = reference.run(program, documents[:4])
                probabilities = reference.probabilities(program, out.logits)
                vectors = (out.codes, out.saturated, out.scores, out.logits, probabilities, out.labels)
                sources = emit_c(program, TARGETS["cortex-m"], Golden(documents[:4].toarray(), *vectors))
                for emulator in reversed(emulators(core)):
                    try:
                        got = run_emulated(core, compiler, emulator, sources, program.name, documents, bench, probes=64)
                    except BoardTooSmall:
                        continue
                    break
                difference = compare(got.outputs, expected(program, documents))
                if difference is not None:
                    raise SystemExit(f"{core.title}, {program.name}: {difference}")
                flash = measure(core, compiler, sources, program.name, bench).flash
                cells[program.name] = (got.instructions["predict_q"], flash)
            (sparse, sparse_flash), (dense, dense_flash) = cells["words"], cells["words_dense"]
            lines.append(
                f"| {core.title} | {compiler.name} {compiler.version} | {sparse.mean:,.0f} ({sparse.least:,} to "
                f"{sparse.most:,}) | {dense.mean:,.0f} | {dense.mean / sparse.mean:.1f} | {sparse_flash:,} | {dense_flash:,} |"
            )
            print(lines[-1], flush=True)
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text("\n".join(lines) + "\n")
    print(f"\n{RESULT.relative_to(Path.cwd()) if RESULT.is_relative_to(Path.cwd()) else RESULT}")


if __name__ == "__main__":
    main()
