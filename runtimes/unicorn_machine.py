"""A Cortex-M core in Unicorn: semihosting is served from here, and instructions are counted by a hook."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from kangen.runtimes.cores import Board, Core, Region
from kangen.runtimes.elf import Image
from kangen.runtimes.emulator import TOO_DEEP, EmulationError, check_exit, stopped
from kangen.runtimes.toolchains import Tool

# Unicorn has no boards: the memory map is ours, and large enough for every model.
BOARD = Board("unicorn", Region(0x00000000, 0x1000000), Region(0x20000000, 0x1000000))
_SYSTEM = Region(0xE000E000, 0x1000)
_READ = 1  # the mode of SYS_OPEN that the harness reads with
_RETURN = 0xFFFFFFFE


def find() -> Tool | None:
    if importlib.util.find_spec("unicorn") is None:
        return None
    return Tool("unicorn", importlib.metadata.version("unicorn"))


class _Files:
    """SYS_OPEN and its relatives, inside one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.opened: list[IO[bytes]] = []

    def serve(self, machine: Any, operation: int, argument: int) -> int:
        def words(count: int) -> tuple[int, ...]:
            return struct.unpack(f"<{count}I", machine.mem_read(argument, 4 * count))

        if operation == 0x01:  # SYS_OPEN
            address, mode, length = words(3)
            name = bytes(machine.mem_read(address, length)).decode("ascii")
            try:
                self.opened.append((self.folder / name).open("rb" if mode == _READ else "wb"))
            except OSError:
                return -1
            return len(self.opened)
        if operation == 0x02:  # SYS_CLOSE
            self.opened[words(1)[0] - 1].close()
            return 0
        if operation == 0x05:  # SYS_WRITE
            handle, address, count = words(3)
            self.opened[handle - 1].write(machine.mem_read(address, count))
            return 0
        if operation == 0x06:  # SYS_READ
            handle, address, count = words(3)
            content = self.opened[handle - 1].read(count)
            machine.mem_write(address, content)
            return count - len(content)
        raise ValueError(f"semihosting operation {operation:#x}")

    def close(self) -> None:
        for stream in self.opened:
            stream.close()


@dataclass
class _State:
    exit_code: int | None = None
    problem: tuple[int, str] | None = None
    counts: dict[str, list[int]] = field(default_factory=dict)


def run(core: Core, image: Image, folder: Path, limit: float, count: tuple[str, ...] = ()) -> dict[str, list[int]]:
    """Run the harness among the files of ``folder``; with names in ``count``, the instructions of each of their calls.

    Counting calls Python for every block of instructions: for a handful of rows.
    """
    import unicorn
    from unicorn import arm_const as arm

    machine = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS)
    machine.ctl_set_cpu_model(getattr(arm, f"UC_CPU_ARM_{core.unicorn}"))
    for region in (BOARD.flash, BOARD.ram, _SYSTEM):
        machine.mem_map(region.origin, region.length)
    for origin, content in image.segments:
        machine.mem_write(origin, content)
    stack, reset = struct.unpack("<2I", image.read(BOARD.flash.origin, 8))
    machine.reg_write(arm.UC_ARM_REG_SP, stack)

    state, files = _State(), _Files(folder)

    def interrupt(uc: Any, number: int, _: object) -> None:
        pc = uc.reg_read(arm.UC_ARM_REG_PC)
        operation, argument = uc.reg_read(arm.UC_ARM_REG_R0), uc.reg_read(arm.UC_ARM_REG_R1)
        if bytes(uc.mem_read(pc, 2)) != b"\xab\xbe":  # bkpt 0xAB
            state.problem = (pc, f"exception {number}")
            uc.emu_stop()
        elif operation == 0x20:  # SYS_EXIT_EXTENDED
            state.exit_code = struct.unpack("<2I", uc.mem_read(argument, 8))[1]
            uc.emu_stop()
        else:
            uc.reg_write(arm.UC_ARM_REG_R0, files.serve(uc, operation, argument) & 0xFFFFFFFF)
            uc.reg_write(arm.UC_ARM_REG_PC, (pc + 2) | 1)

    machine.hook_add(unicorn.UC_HOOK_INTR, interrupt)
    if count:
        counter = _counter(image, count, state.counts, lambda: int(machine.reg_read(arm.UC_ARM_REG_LR)) & ~1)
        machine.hook_add(unicorn.UC_HOOK_BLOCK, counter)
    # Unicorn's own time limit polls every two microseconds, and doubles the time.
    watch = threading.Timer(limit, machine.emu_stop)
    watch.start()
    try:
        machine.emu_start(reset | 1, _RETURN)
    except unicorn.UcError as error:
        if machine.reg_read(arm.UC_ARM_REG_SP) < BOARD.ram.origin:
            raise EmulationError(TOO_DEEP) from None
        raise stopped(image, machine.reg_read(arm.UC_ARM_REG_PC), str(error)) from None
    finally:
        watch.cancel()
        files.close()
    if state.problem is not None:
        raise stopped(image, *state.problem)
    if state.exit_code is None:
        raise stopped(image, machine.reg_read(arm.UC_ARM_REG_PC), f"did not finish within {limit:.0f} s; stopped")
    check_exit(state.exit_code, image, folder)
    return state.counts


def _counter(
    image: Image, names: tuple[str, ...], counts: dict[str, list[int]], return_address: Callable[[], int]
) -> Callable[[Any, int, int, object], None]:
    """A block hook that counts from the entry of a function to its return, in the calls that harness_call makes.

    Whole blocks are counted, so that an instruction which an IT block skips counts as one, as it does in QEMU.
    """
    entries = {image.addresses[name]: name for name in names}
    caller = next(function for function in image.functions if function.name == "harness_call")
    lengths: dict[tuple[int, int], int] = {}
    name, back, passed = "", 0, 0

    def enter(_: Any, address: int, size: int, __: object) -> None:
        nonlocal name, back, passed
        if name and address == back:
            counts.setdefault(name, []).append(passed)
            name = ""
        if not name and address in entries:
            back = return_address()
            if caller.address <= back < caller.address + caller.size:
                name, passed = entries[address], 0
        if name:
            block = (address, size)
            if block not in lengths:
                lengths[block] = _instructions(image.read(address, size))
            passed += lengths[block]

    return enter


def _instructions(code: bytes) -> int:
    """How many Thumb instructions there are: those whose first half is 0xE800 or more have a second half."""
    at = count = 0
    while at < len(code):
        at += 4 if code[at + 1] >= 0xE8 else 2
        count += 1
    return count
