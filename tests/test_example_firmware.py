"""The bare-metal example builds with both compilers, and the emulated board says that the model is right."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from machines import emit
from programs import random_program

EXAMPLE = Path(__file__).parent.parent / "examples" / "firmware"
ZIG = ["CC=" + f"{sys.executable} -m ziglang cc -target thumb-freestanding-eabihf", "CPU=-mcpu=cortex_m4+vfp4d16sp"]
COMPILERS = {"arm-none-eabi-gcc": [], "zig": ZIG}


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    model, out = folder / "model", folder / "out"
    command = ["make", "-s", "-C", str(EXAMPLE), f"MODEL={model}", f"OUT={out}", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def folder(tmp_path):
    if not shutil.which("make"):
        pytest.skip("make is not on PATH")
    (tmp_path / "model").mkdir()
    for name, content in emit(random_program((57, 32, 7), 4, name="watch")).items():
        (tmp_path / "model" / name).write_bytes(content)
    return tmp_path


@pytest.mark.parametrize("compiler", COMPILERS)
def test_the_board_passes_the_self_test_and_prints_labels(folder, compiler):
    if compiler == "arm-none-eabi-gcc" and not shutil.which(compiler):
        pytest.skip(f"{compiler} is not on PATH")
    built = make(folder, *COMPILERS[compiler])
    assert built.returncode == 0, built.stderr
    assert "warning" not in built.stderr
    if not shutil.which("qemu-system-arm"):
        pytest.skip("built; qemu-system-arm is not on PATH to run it")
    ran = make(folder, "run", *COMPILERS[compiler])
    assert ran.returncode == 0, ran.stderr
    lines = ran.stdout.splitlines()
    assert lines[0].startswith("model ")
    assert lines[1] == "self test: passed"
    assert len(lines) == 2 + 6
    assert all(line.startswith("class ") for line in lines[2:])


def test_a_missing_model_says_what_to_do(folder):
    shutil.rmtree(folder / "model")
    built = make(folder)
    assert built.returncode != 0
    assert "run 'kangen build'" in built.stderr
