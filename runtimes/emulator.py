"""What QEMU and Unicorn share: the files that the harness reads and writes, and how a run can go wrong."""

from __future__ import annotations

import struct
from pathlib import Path

from kangen.distill.errors import KangenError
from kangen.runtimes.elf import Image

INPUT, OUTPUT, FAULT = "input.bin", "output.bin", "fault.bin"
EXIT_FAULT, EXIT_FILE, EXIT_STACK = 70, 71, 72
TOO_DEEP = "the model used more stack than its header declares, and 2 KB more"
_KINDS = {3: "hard fault", 4: "memory fault", 5: "bus fault", 6: "usage fault", 7: "secure fault"}


class EmulationError(KangenError):
    """The model stopped on the emulated core: a fault, a hang, a stack that was too small."""

    exit_code = 1


def stopped(image: Image, pc: int | None, what: str) -> EmulationError:
    where = "at an unknown address" if pc is None else f"at pc 0x{pc:08x} ({image.place(pc)})"
    return EmulationError(f"{what} {where}")


def check_exit(code: int, image: Image, folder: Path, detail: str = "") -> None:
    """Turn the status that the harness left with into an error that says what happened."""
    if code == 0:
        return
    report = folder / FAULT
    if code == EXIT_FAULT and report.is_file():
        pc, kind, status = struct.unpack("<3I", report.read_bytes())
        registers = f" (CFSR 0x{status:08x})" if status else ""
        raise stopped(image, pc, _KINDS.get(kind, f"exception {kind}") + registers)
    if code == EXIT_STACK:
        raise EmulationError(TOO_DEEP)
    if code == EXIT_FILE:
        raise EmulationError("the harness could not read its rows or write its records; free some disk space")
    raise EmulationError(f"the emulator left with status {code}{': ' + detail if detail else ''}")
