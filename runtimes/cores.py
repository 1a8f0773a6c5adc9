"""The Cortex-M cores: how each is compiled for and emulated. Adding a core is one row."""

from __future__ import annotations

from dataclasses import dataclass

from kangen.distill.errors import unknown


@dataclass(frozen=True)
class Region:
    origin: int
    length: int


@dataclass(frozen=True)
class Board:
    """A machine that QEMU emulates, and the memory that the harness uses on it."""

    machine: str
    flash: Region
    ram: Region


@dataclass(frozen=True)
class Core:
    name: str
    title: str
    gcc: tuple[str, ...]
    zig: tuple[str, ...]
    board: Board
    unicorn: str | None  # the CPU model, as unicorn.arm_const.UC_CPU_ARM_<this>
    note: str = ""

    @property
    def wide(self) -> bool:
        """ARMv8.1-M: has vector and low-overhead-loop instructions."""
        return self.name == "m55"


KB, MB = 1024, 1024 * 1024
MICROBIT = Board("microbit", Region(0x00000000, 256 * KB), Region(0x20000000, 16 * KB))


def _mps2(machine: str, secure: bool = False) -> Board:
    if secure:
        return Board(machine, Region(0x10000000, 4 * MB), Region(0x38000000, 2 * MB))
    return Board(machine, Region(0x00000000, 4 * MB), Region(0x20000000, 4 * MB))


def _zig(cpu: str, hard_float: bool) -> tuple[str, ...]:
    return ("-target", "thumb-freestanding-eabi" + "hf" * hard_float, f"-mcpu={cpu}")


_ROWS = (
    Core("m0", "Cortex-M0", ("-mcpu=cortex-m0",), _zig("cortex_m0", False), MICROBIT, "CORTEX_M0"),
    Core(
        "m0plus",
        "Cortex-M0+",
        ("-mcpu=cortex-m0plus",),
        _zig("cortex_m0plus", False),
        MICROBIT,
        "CORTEX_M0",
        note="runs on an emulated Cortex-M0, which has the same instruction set",
    ),
    Core("m3", "Cortex-M3", ("-mcpu=cortex-m3",), _zig("cortex_m3", False), _mps2("mps2-an385"), "CORTEX_M3"),
    Core(
        "m4",
        "Cortex-M4F",
        ("-mcpu=cortex-m4", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard"),
        _zig("cortex_m4+vfp4d16sp", True),
        _mps2("mps2-an386"),
        "CORTEX_M4",
    ),
    Core(
        "m7",
        "Cortex-M7",
        ("-mcpu=cortex-m7", "-mfpu=fpv5-sp-d16", "-mfloat-abi=hard"),
        _zig("cortex_m7+fp_armv8d16sp", True),
        _mps2("mps2-an500"),
        "CORTEX_M7",
    ),
    Core(
        "m33",
        "Cortex-M33",
        ("-mcpu=cortex-m33", "-mfpu=fpv5-sp-d16", "-mfloat-abi=hard"),
        _zig("cortex_m33+dsp+fp_armv8d16sp", True),
        _mps2("mps2-an505", secure=True),
        "CORTEX_M33",
    ),
    Core(
        "m55",
        "Cortex-M55",
        ("-mcpu=cortex-m55", "-mfloat-abi=hard"),
        _zig("cortex_m55+mve_fp", True),
        Board("mps3-an547", Region(0x10000000, 512 * KB), Region(0x30000000, 512 * KB)),
        None,
    ),
)

CORES: dict[str, Core] = {core.name: core for core in _ROWS}


def core_named(name: str) -> Core:
    if name not in CORES:
        raise unknown("core", name, CORES)
    return CORES[name]
