"""The generated C on an emulated core: every row's outputs, exact instruction counts, painted stack."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kangen.runtimes import qemu, unicorn_machine
from kangen.runtimes.cores import Board, Core
from kangen.runtimes.elf import Image
from kangen.runtimes.emulator import INPUT, OUTPUT, EmulationError
from kangen.runtimes.firmware import harness_image
from kangen.runtimes.records import Observed, Rows, batches, check_width, from_records, record_type
from kangen.runtimes.toolchains import Compiler, Tool, Workbench

MEASURED = ("quantise", "predict_q", "predict")
EMULATORS = ("qemu", "unicorn")
LIMIT = 120.0  # seconds for one run
_HEADER = struct.Struct("<4i2I")
_SPINS = 500_000  # of 2 instructions: calibrates SysTick to a millionth
_WRAPPED = 0xFFFFFFFF


@dataclass(frozen=True)
class Spread:
    """Instructions of one function over the measured rows."""

    mean: float
    least: int
    most: int

    @staticmethod
    def of(counts: list[int]) -> Spread:
        return Spread(sum(counts) / len(counts), min(counts), max(counts))


@dataclass(frozen=True)
class Emulated:
    """What one core computed."""

    outputs: Observed
    self_test: int  # 0, or the 1-based index of the first golden vector that differs
    scratch: int  # bytes, as the header declares
    instructions: Mapping[str, Spread | None]  # by function; None where the count was too long for the clock
    stack: Mapping[str, int]  # bytes below the stack pointer at the call, by function: the deepest that was painted


def emulators(core: Core) -> dict[str, Tool]:
    """The emulators of this machine that know the core, the preferred one first."""
    found = {"qemu": qemu.find(), "unicorn": unicorn_machine.find() if core.unicorn else None}
    return {name: tool for name, tool in found.items() if tool is not None}


def board_of(core: Core, emulator: str) -> Board:
    return core.board if emulator == "qemu" else unicorn_machine.BOARD


def run_emulated(
    core: Core,
    compiler: Compiler,
    emulator: str,
    sources: Mapping[str, bytes],
    name: str,
    x: Rows,
    bench: Workbench,
    *,
    probes: int = 8,
    limit: float = LIMIT,
    level: str = "-O2",
) -> Emulated:
    """Run the model on every row of ``x``, and measure it on ``probes`` of them, evenly spread."""
    elf = harness_image(bench, core, compiler, board_of(core, emulator), sources, name, level)
    image = Image(elf.read_bytes())
    probes = min(probes, x.shape[0])
    chosen = x[np.linspace(0, x.shape[0] - 1, probes).astype(int)] if probes else x[:0]
    if emulator == "qemu":
        output, counts = _run_qemu(core, elf, image, bench, x, chosen, limit)
    else:
        output, counts = _run_unicorn(core, name, image, bench, x, chosen, limit)
    check_width(x, output.inputs, name)
    return Emulated(
        outputs=from_records(output.records),
        self_test=output.self_test,
        scratch=output.scratch,
        instructions={item: Spread.of(values) if values else None for item, values in counts.items()},
        stack={item: int(output.probes["stack"][:, at].max()) for at, item in enumerate(MEASURED)} if probes else {},
    )


def _run_qemu(
    core: Core, elf: Path, image: Image, bench: Workbench, x: Rows, chosen: Rows, limit: float
) -> tuple[_Output, dict[str, list[int]]]:
    rows = x
    for shift in qemu.SHIFTS:
        folder = bench.folder(core.name)
        _write_input(folder, rows, chosen, _SPINS)
        qemu.run(core, elf, image, folder, limit, shift)
        output = _Output(folder, rows.shape[0], chosen.shape[0])
        counts = output.clocked()
        if rows is x:
            first = output
        if all(counts.values()):
            break
        rows = x[:0]
    return first, counts


def _run_unicorn(
    core: Core, name: str, image: Image, bench: Workbench, x: Rows, chosen: Rows, limit: float
) -> tuple[_Output, dict[str, list[int]]]:
    """Once without hooks, for all rows at full speed, and once counting."""
    folder, again = bench.folder(core.name), bench.folder(core.name)
    _write_input(folder, x, x[:0], 0)
    unicorn_machine.run(core, image, folder, limit)
    output = _Output(folder, x.shape[0], 0)
    if chosen.shape[0] == 0:
        return output, {}
    functions = {item: f"{name}_{item}" for item in MEASURED}
    _write_input(again, x[:0], chosen, 0)
    counted = unicorn_machine.run(core, image, again, limit, tuple(functions.values()))
    output.probes = _Output(again, 0, chosen.shape[0]).probes
    return output, {item: counted[function] for item, function in functions.items()}


def _write_input(folder: Path, x: Rows, probes: Rows, spins: int) -> None:
    with (folder / INPUT).open("wb") as stream:
        stream.write(struct.pack("<3I", x.shape[0], probes.shape[0], spins))
        for part in (*batches(x), *batches(probes)):
            stream.write(part.tobytes())


class _Output:
    """The file that the harness leaves: a header, records, probes."""

    def __init__(self, folder: Path, rows: int, probes: int) -> None:
        content = (folder / OUTPUT).read_bytes()
        if len(content) < _HEADER.size:
            raise EmulationError("the harness left no results")
        self.self_test, self.inputs, self.classes, self.scratch, self.nothing, self.spin = _HEADER.unpack_from(content)
        record = record_type(self.inputs, self.classes)
        probe = np.dtype([("ticks", "<u4", (3,)), ("stack", "<u4", (3,))])
        if len(content) != _HEADER.size + rows * record.itemsize + probes * probe.itemsize:
            raise EmulationError(f"the harness left {len(content):,} bytes, which are not {rows:,} rows")
        self.records = np.frombuffer(content, record, rows, _HEADER.size)
        self.probes = np.frombuffer(content, probe, probes, _HEADER.size + rows * record.itemsize)

    def clocked(self) -> dict[str, list[int]]:
        """Instructions from SysTick, whose rate follows from two functions of known length."""
        ticks_each = (self.spin - self.nothing) / (2 * _SPINS)
        counts: dict[str, list[int]] = {}
        for at, name in enumerate(MEASURED):
            ticks = self.probes["ticks"][:, at].astype(np.int64)
            wrapped = bool((ticks == _WRAPPED).any())
            counts[name] = [] if wrapped else [1 + round((int(t) - self.nothing) / ticks_each) for t in ticks]
        return counts if len(self.probes) else {}
