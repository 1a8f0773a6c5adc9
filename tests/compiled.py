"""Generated C as a Python object: compiled on this machine, loaded, called."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from programs import random_inputs

from kangen.codegen.c import Golden, emit_c
from kangen.codegen.program import Program
from kangen.codegen.targets import TARGETS
from kangen.runtimes import reference

WARNINGS = """
    all extra pedantic conversion shadow double-promotion cast-align cast-qual sign-conversion undef error
"""
STRICT = [f"-W{warning}" for warning in WARNINGS.split()]
STRICT_C = ["-Wstrict-prototypes", "-Wmissing-prototypes"]
HOST_COMPILERS = {name: [name] for name in ("gcc", "clang") if shutil.which(name)}
if find_spec("ziglang"):
    HOST_COMPILERS["zig cc"] = [sys.executable, "-m", "ziglang", "cc"]
CPP_COMPILERS = {name: [name] for name in ("g++", "clang++") if shutil.which(name)}


def golden(program: Program, rows: int = 4) -> Golden:
    """Vectors whose first row holds NaN, infinities and what saturates."""
    x = random_inputs(program, rows)
    out = reference.run(program, x)
    probabilities = reference.probabilities(program, out.logits)
    return Golden(x, out.codes, out.saturated, out.scores, out.logits, probabilities, out.labels)


def write(program: Program, folder: Path, target: str = "cortex-m") -> dict[str, str]:
    """The generated files on disk, with a main that runs the self test; their text."""
    name = program.name
    files = emit_c(program, TARGETS[target], golden(program))
    for file, content in files.items():
        (folder / file).write_bytes(content)
    (folder / "main.c").write_text(f'#include "{name}_golden.h"\nint main(void) {{ return {name}_self_test(); }}\n')
    return {file: content.decode() for file, content in files.items()}


def check(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"


class Model:
    """The functions of the interface, row by row."""

    def __init__(
        self, program: Program, folder: Path, compiler: list[str], level: str, target: str = "cortex-m"
    ) -> None:
        self.program = program
        write(program, folder, target)
        library = folder / "model.so"
        source = f"{program.name}.c"
        check(
            [*compiler, "-std=c99", *STRICT, *STRICT_C, level, "-shared", "-fPIC", source, "-o", library.name], folder
        )
        self.library = ctypes.CDLL(str(library))

    def _call(self, function: str, *arrays: np.ndarray) -> int:
        for array in arrays:
            assert array.flags.c_contiguous
        return int(
            getattr(self.library, f"{self.program.name}_{function}")(*(ctypes.c_void_p(a.ctypes.data) for a in arrays))
        )

    def quantise(self, row: np.ndarray) -> tuple[np.ndarray, int]:
        codes = np.zeros(self.program.inputs, np.int8)
        return codes, self._call("quantise", row, codes)

    def scores(self, codes: np.ndarray) -> tuple[np.ndarray, int]:
        scores = np.zeros(self.program.classes, np.int32)
        return scores, self._call("scores_q", codes, scores)

    def logits(self, scores: np.ndarray) -> np.ndarray:
        logits = np.zeros(self.program.classes, np.int8)
        self._call("logits", scores, logits)
        return logits

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        probabilities = np.zeros(self.program.classes, np.uint16)
        self._call("probabilities", logits, probabilities)
        return probabilities

    def predict(self, row: np.ndarray) -> int:
        return self._call("predict", row)

    def predict_q(self, codes: np.ndarray) -> int:
        return self._call("predict_q", codes)
