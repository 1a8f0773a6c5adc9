"""A Cortex-M board in QEMU's system mode: files through semihosting, instructions counted by the instruction clock."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from kangen.runtimes.cores import Core
from kangen.runtimes.elf import Image
from kangen.runtimes.emulator import EmulationError, check_exit, stopped
from kangen.runtimes.toolchains import Tool, version_of

COMMAND = "qemu-system-arm"
# An instruction takes 2^shift ns of the board's time: several ticks of its clock, so that counts are exact. A clock of
# 24 bits overflows at some two million of them; the second shift trades the last digit for sixty-four times the reach.
SHIFTS = (8, 2)


def find() -> Tool | None:
    path = shutil.which(COMMAND)
    about = version_of((path, "--version"), r"version (\S+)") if path else None
    return Tool("qemu", about[1]) if about else None


def run(core: Core, elf: Path, image: Image, folder: Path, limit: float, shift: int = SHIFTS[0]) -> None:
    """Run the harness among the files of ``folder``."""
    command = (
        shutil.which(COMMAND) or COMMAND,
        *("-M", core.board.machine, "-nographic", "-serial", "none", "-monitor", "stdio"),
        *("-semihosting-config", "enable=on,target=native", "-icount", f"shift={shift},sleep=off"),
        *("-kernel", str(elf)),
    )
    try:
        child = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
    except OSError as error:
        raise EmulationError(f"cannot run {COMMAND}: {error.strerror or error}; install it again") from error
    with child:
        try:
            child.wait(limit)
        except subprocess.TimeoutExpired:
            raise stopped(image, _where(child), f"did not finish within {limit:.0f} s; stopped") from None
        finally:
            child.kill()
        output = child.stdout.read().decode(errors="replace") if child.stdout else ""
    if "Lockup" in output or child.returncode < 0:
        raise stopped(image, _pc(output), "the core locked up")
    errors = [line for line in output.splitlines() if line.startswith(COMMAND)]
    check_exit(child.returncode, image, folder, errors[0] if errors else "")


def _where(child: subprocess.Popen[bytes]) -> int | None:
    """Ask the monitor of a board that hangs for its program counter."""
    try:
        output, _ = child.communicate(b"info registers\nquit\n", timeout=10)
    except subprocess.TimeoutExpired:
        return None
    return _pc(output.decode(errors="replace"))


def _pc(output: str) -> int | None:
    found = re.search(r"R15=([0-9a-f]{8})", output)
    return int(found.group(1), 16) if found else None
