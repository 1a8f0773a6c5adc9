"""The generated C compiles without a word from any compiler on this machine; sanitizers and cppcheck find nothing."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from compiled import CPP_COMPILERS, HOST_COMPILERS, STRICT, STRICT_C, check, write
from elftools.elf.elffile import ELFFile
from programs import random_program

from kangen.codegen.c import cost
from kangen.codegen.targets import TARGETS

PROGRAMS = {
    "dense": random_program((57, 32, 7), 4),
    "odd": random_program((3, 5, 9, 2), 11),
    "sparse": random_program((37, 32, 7), 2, binary=True),
    "sparse, odd": random_program((1, 3), 1, binary=True),
}
LEVELS = ("-O0", "-O2", "-Os")
ARM_GCC = ["arm-none-eabi-gcc", "-mthumb", "-ffreestanding"]
FPU = {"cortex-m4": "fpv4-sp-d16", "cortex-m7": "fpv5-d16", "cortex-m33": "fpv5-sp-d16", "cortex-m55": "auto"}
GCC_CORES = ["cortex-m0", "cortex-m0plus", "cortex-m3", *FPU]
ZIG_CORES = ["cortex_m0plus", "cortex_m3", "cortex_m4", "cortex_m7", "cortex_m33+dsp", "cortex_m55+mve"]
FLOAT_HELPERS = {f"__aeabi_{name}" for name in ("fadd", "fsub", "fmul", "f2iz", "fcmpgt", "fcmplt", "fcmpge", "fcmple")}
DIVISION = {"__aeabi_uidiv", "__aeabi_idiv"}
UNWINDING = {"__aeabi_unwind_cpp_pr0", "__aeabi_unwind_cpp_pr1"}


def test_the_compilers_that_were_found_are_named(record_property: pytest.FixtureRequest) -> None:
    """At least one C and one C++ compiler, or the tests below would pass by saying nothing."""
    found = [*HOST_COMPILERS, *CPP_COMPILERS, *(["arm-none-eabi-gcc"] if shutil.which("arm-none-eabi-gcc") else [])]
    record_property("compilers", ", ".join(found))  # type: ignore[operator]
    assert HOST_COMPILERS, "no C compiler: install gcc, clang or ziglang"


@pytest.mark.parametrize("shape", PROGRAMS)
@pytest.mark.parametrize("compiler", [name for name in HOST_COMPILERS if name != "zig cc"])
def test_no_warning_as_c(compiler: str, shape: str, tmp_path: Path) -> None:
    write(PROGRAMS[shape], tmp_path)
    for level in LEVELS:
        flags = ["-std=c99", *STRICT, *STRICT_C, level, "-c"]
        check([*HOST_COMPILERS[compiler], *flags, "probe.c", "main.c"], tmp_path)


@pytest.mark.parametrize("standard", ["c++11", "c++14", "c++17", "c++20"])
@pytest.mark.parametrize("compiler", CPP_COMPILERS)
def test_no_warning_as_cpp_and_the_bytes_hold(compiler: str, standard: str, tmp_path: Path) -> None:
    write(PROGRAMS["dense"], tmp_path)
    command = [
        *CPP_COMPILERS[compiler],
        "-x",
        "c++",
        f"-std={standard}",
        *STRICT,
        "-O1",
        "probe.c",
        "main.c",
        "-o",
        "test",
    ]
    check(command, tmp_path)
    check(["./test"], tmp_path)


@pytest.mark.parametrize("compiler", CPP_COMPILERS)
def test_a_cpp_program_links_with_the_c_object(compiler: str, tmp_path: Path) -> None:
    write(PROGRAMS["dense"], tmp_path)
    check([*next(iter(HOST_COMPILERS.values())), "-c", "probe.c"], tmp_path)
    check(
        [*CPP_COMPILERS[compiler], "-std=c++11", "-x", "c++", "main.c", "-x", "none", "probe.o", "-o", "test"], tmp_path
    )
    check(["./test"], tmp_path)


@pytest.mark.skipif(not shutil.which("arm-none-eabi-gcc"), reason="no arm-none-eabi-gcc on this machine")
@pytest.mark.parametrize("core", GCC_CORES)
def test_no_warning_from_arm_gcc(core: str, tmp_path: Path) -> None:
    fpu = ["-mfloat-abi=hard", f"-mfpu={FPU[core]}"] if core in FPU else []
    for program in PROGRAMS.values():
        write(program, tmp_path)
        for level in LEVELS:
            flags = [f"-mcpu={core}", *fpu, "-std=c99", *STRICT, *STRICT_C, level, "-c", "probe.c"]
            check([*ARM_GCC, *flags], tmp_path)


@pytest.mark.slow
@pytest.mark.skipif(not find_spec("ziglang"), reason="no ziglang in this environment")
@pytest.mark.parametrize("core", ZIG_CORES)
def test_no_warning_from_zig(core: str, tmp_path: Path) -> None:
    for program in PROGRAMS.values():
        write(program, tmp_path)
        for level in LEVELS:
            flags = ["-target", "thumb-freestanding-eabi", f"-mcpu={core}", "-std=c99", *STRICT, *STRICT_C, level]
            check([sys.executable, "-m", "ziglang", "cc", *flags, "-c", "probe.c", "-o", "probe.o"], tmp_path)


@pytest.mark.skipif(not shutil.which("arm-none-eabi-gcc"), reason="no arm-none-eabi-gcc on this machine")
@pytest.mark.parametrize("level", ["-O2", "-Os"])
@pytest.mark.parametrize("core", GCC_CORES)
def test_bare_metal_has_no_writable_memory_and_calls_nothing(core: str, level: str, tmp_path: Path) -> None:
    """No .data, no .bss; nothing from outside but float and division helpers where the core lacks the instruction."""
    fpu = ["-mfloat-abi=hard", f"-mfpu={FPU[core]}"] if core in FPU else []
    for shape, program in PROGRAMS.items():
        write(program, tmp_path)
        check([*ARM_GCC, f"-mcpu={core}", *fpu, level, "-c", "probe.c"], tmp_path)
        with (tmp_path / "probe.o").open("rb") as stream:
            elf = ELFFile(stream)
            sizes = {s.name: s["sh_size"] for s in elf.iter_sections() if s["sh_flags"] & 2}
            writable = {s.name: s["sh_size"] for s in elf.iter_sections() if s["sh_flags"] & 1 and s["sh_size"]}
            wanted = {s.name for s in elf.get_section_by_name(".symtab").iter_symbols() if s["st_shndx"] == "SHN_UNDEF"}
        assert not writable
        allowed = UNWINDING | (set() if fpu else FLOAT_HELPERS) | (DIVISION if core.startswith("cortex-m0") else set())
        assert wanted - {""} <= allowed
        if shape == "dense" and fpu:
            budget = sum(item.weights + item.tables for item in cost(program)) + 3 * 1024
            assert sum(sizes.values()) <= budget, sizes


@pytest.mark.skipif(not shutil.which("arm-none-eabi-gcc"), reason="no arm-none-eabi-gcc on this machine")
@pytest.mark.parametrize("target", [name for name, target in TARGETS.items() if target.dsp == "always"])
def test_a_target_with_dsp_refuses_flags_without(target: str, tmp_path: Path) -> None:
    write(PROGRAMS["dense"], tmp_path, target)
    check([*ARM_GCC, f"-mcpu={target}", "-c", "probe.c"], tmp_path)
    with pytest.raises(AssertionError, match="switch its DSP instructions on"):
        check([*ARM_GCC, "-mcpu=cortex-m3", "-c", "probe.c"], tmp_path)


@pytest.mark.skipif(not shutil.which("arm-none-eabi-gcc"), reason="no arm-none-eabi-gcc on this machine")
def test_the_dsp_path_is_for_little_endian_cores(tmp_path: Path) -> None:
    """Where it may be left out, a big-endian core gets plain C; where it is required, an error."""
    big = [*ARM_GCC, "-mcpu=cortex-m4", "-mbig-endian", "-O2", "probe.c"]
    write(PROGRAMS["dense"], tmp_path, "cortex-m")
    check([*big, "-S", "-o", "big.s"], tmp_path)
    check([*ARM_GCC, "-mcpu=cortex-m4", "-O2", "probe.c", "-S", "-o", "little.s"], tmp_path)
    assert "sxtb16" not in (tmp_path / "big.s").read_text()
    assert "sxtb16" in (tmp_path / "little.s").read_text()
    write(PROGRAMS["dense"], tmp_path, "cortex-m4")
    with pytest.raises(AssertionError, match="little-endian"):
        check([*big, "-c"], tmp_path)


@pytest.mark.parametrize("shape", PROGRAMS)
@pytest.mark.parametrize("compiler", [name for name in HOST_COMPILERS if name != "zig cc"])
def test_sanitizers_find_nothing(compiler: str, shape: str, tmp_path: Path) -> None:
    write(PROGRAMS[shape], tmp_path)
    flags = ["-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    check([*HOST_COMPILERS[compiler], *flags, "probe.c", "main.c", "-o", "test"], tmp_path)
    check(["./test"], tmp_path)


@pytest.mark.skipif(not shutil.which("cppcheck"), reason="no cppcheck on this machine")
@pytest.mark.parametrize("target", ["cortex-m", "cortex-m0plus", "cortex-m4", "host"])
def test_cppcheck_finds_nothing(target: str, tmp_path: Path) -> None:
    for shape, program in PROGRAMS.items():
        folder = tmp_path / shape
        folder.mkdir()
        write(program, folder, target)
        flags = [
            "--enable=warning,style,portability,performance",
            "--error-exitcode=1",
            "--suppress=missingIncludeSystem",
        ]
        done = subprocess.run(
            ["cppcheck", "-q", *flags, "probe.c", "main.c"], cwd=folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
