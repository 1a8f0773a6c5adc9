"""The generated C on emulated cores: the reference's bytes from every shape, and what a bag of words costs.

tests/test_c_budgets.py holds the flagship shape to its budgets."""

from __future__ import annotations

import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from compiled import STRICT, check, write
from programs import random_inputs, random_program

from kangen.codegen.program import Program
from kangen.runtimes import reference

unicorn = pytest.importorskip("unicorn")
arm = pytest.importorskip("unicorn.arm_const")
elffile = pytest.importorskip("elftools.elf.elffile")

DEFAULT = random_program((57, 32, 7), 4)
STACK, CODES, SCORES, END = 0x20020000, 0x20030000, 0x20038000, 0x300000
SCRIPT = """
SECTIONS {
  . = 0x1000;
  .text : { *(.text*) }
  .rodata : { *(.rodata*) }
  .ARM.exidx : { *(.ARM.exidx*) }
}
"""
CORES = {
    "m0": ("cortex-m0", "cortex_m0", arm.UC_CPU_ARM_CORTEX_M0),
    "m3": ("cortex-m3", "cortex_m3", arm.UC_CPU_ARM_CORTEX_M3),
    "m4": ("cortex-m4", "cortex_m4", arm.UC_CPU_ARM_CORTEX_M4),
    "m33": ("cortex-m33", "cortex_m33+dsp", arm.UC_CPU_ARM_CORTEX_M33),
}
COMPILERS = [
    pytest.param(
        "gcc",
        marks=pytest.mark.skipif(not shutil.which("arm-none-eabi-gcc"), reason="no arm-none-eabi-gcc on this machine"),
    ),
    pytest.param("zig", marks=pytest.mark.skipif(not find_spec("ziglang"), reason="no ziglang in this environment")),
]


def build(program: Program, folder: Path, core: str, compiler: str, level: str) -> Path:
    write(program, folder)
    (folder / "link.ld").write_text(SCRIPT)
    gcc_core, zig_core, _ = CORES[core]
    command = {
        "gcc": ["arm-none-eabi-gcc", "-mthumb", f"-mcpu={gcc_core}", "-ffreestanding", "-nostdlib"],
        "zig": [sys.executable, "-m", "ziglang", "cc", "-target", "thumb-freestanding-eabi", f"-mcpu={zig_core}", "-g"],
    }[compiler]
    library = ["-lgcc"] if compiler == "gcc" else []
    check(
        [*command, *STRICT, level, "-T", "link.ld", "-Wl,-e,probe_scores_q", "probe.c", *library, "-o", "probe.elf"],
        folder,
    )
    return folder / "probe.elf"


def call(image: Path, core: str, codes: np.ndarray, classes: int) -> tuple[np.ndarray, int, int]:
    """Scores, label and instructions of one probe_scores_q."""
    machine = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS)
    machine.ctl_set_cpu_model(CORES[core][2])
    machine.mem_map(0, 0x400000)
    machine.mem_map(0x20000000, 0x40000)
    with image.open("rb") as stream:
        elf = elffile.ELFFile(stream)
        for segment in elf.iter_segments():
            if segment["p_type"] == "PT_LOAD":
                machine.mem_write(segment["p_vaddr"], segment.data())
        start = elf.get_section_by_name(".symtab").get_symbol_by_name("probe_scores_q")[0]["st_value"]
    machine.mem_write(CODES, codes.tobytes())
    for register, value in (("SP", STACK), ("LR", END | 1), ("R0", CODES), ("R1", SCORES)):
        machine.reg_write(getattr(arm, f"UC_ARM_REG_{register}"), value)
    count = [0]

    def step(*_: object) -> None:
        count[0] += 1

    machine.hook_add(unicorn.UC_HOOK_CODE, step)
    machine.emu_start(start | 1, END)
    scores = np.frombuffer(bytes(machine.mem_read(SCORES, 4 * classes)), np.int32)
    return scores, machine.reg_read(arm.UC_ARM_REG_R0), count[0]


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize(
    "program",
    [DEFAULT, random_program((3, 5, 9, 2), 11), random_program((37, 6, 3), 2, binary=True)],
    ids=["default", "odd", "sparse"],
)
def test_the_reference_bytes_on_every_core(program: Program, core: str, compiler: str, tmp_path: Path) -> None:
    image = build(program, tmp_path, core, compiler, "-O2")
    expected = reference.run(program, random_inputs(program, 4))
    for codes, scores, label in zip(expected.codes, expected.scores, expected.labels, strict=True):
        given, chosen, _ = call(image, core, codes, program.classes)
        np.testing.assert_array_equal(given, scores)
        assert chosen == label


@pytest.mark.parametrize("compiler", COMPILERS)
def test_sparse_inputs_cost_only_what_is_present(compiler: str, tmp_path: Path) -> None:
    """A bag of 18 words among 1,433: a dense layer of this shape would take half a million instructions."""
    program = random_program((1433, 32, 7), 4, binary=True)
    image = build(program, tmp_path, "m4", compiler, "-O2")
    codes = np.zeros(1433, np.int8)
    codes[np.random.default_rng(0).choice(1433, 18, replace=False)] = 1
    *_, instructions = call(image, "m4", codes, program.classes)
    assert instructions <= 11_000
