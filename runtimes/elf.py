"""The few things that are read from an ELF file: sizes, symbols, and the bytes in memory."""

from __future__ import annotations

import importlib.util
import io
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from kangen.distill.errors import InputError

CURE = "run 'pip install kangen[emulate]'"
_WRITE, _ALLOC, _EXECUTE = 1, 2, 4


def missing_module(*names: str) -> str | None:
    """The first of the Python modules that is not installed."""
    return next((name for name in names if importlib.util.find_spec(name) is None), None)


@dataclass(frozen=True)
class Function:
    name: str
    address: int  # without the Thumb bit
    size: int


@dataclass(frozen=True)
class Sizes:
    """Bytes by where they end up."""

    flash: int  # code, constants, and the initial values of data
    data: int
    bss: int


class Image:
    """An ELF file, executable or object, read once."""

    def __init__(self, content: bytes) -> None:
        if missing_module("elftools"):
            raise InputError(f"pyelftools is needed to read ELF files; {CURE}")
        from elftools.elf.elffile import ELFFile

        elf: Any = ELFFile(io.BytesIO(content))
        self.entry = int(elf["e_entry"])
        self.sizes = _sizes(elf)
        self.segments = [
            (int(segment["p_paddr"]), bytes(segment.data()))
            for segment in elf.iter_segments("PT_LOAD")
            if segment["p_filesz"]
        ]
        self.addresses: dict[str, int] = {}
        functions: list[Function] = []
        marks: list[tuple[int, str]] = []
        table = elf.get_section_by_name(".symtab")
        for symbol in table.iter_symbols() if table is not None else ():
            value, name = int(symbol["st_value"]), symbol.name
            if name.startswith(("$t", "$d")):
                if _is_code(elf, symbol["st_shndx"]):  # debug sections are marked too, from address 0
                    marks.append((value, name[1]))
                continue
            if symbol["st_info"]["type"] == "STT_FUNC":
                value &= ~1
                functions.append(Function(name, value, int(symbol["st_size"])))
            self.addresses[name] = value
        self.functions = sorted(functions, key=lambda function: (function.address, function.name))
        self.marks = sorted(marks)  # where code ("t") and data ("d") begin

    @cached_property
    def _starts(self) -> list[int]:
        return [function.address for function in self.functions]

    def function_at(self, address: int) -> Function | None:
        """The function that an address lies in."""
        at = bisect_right(self._starts, address) - 1
        if at < 0 or address >= self.functions[at].address + max(self.functions[at].size, 2):
            return None
        return self.functions[at]

    def place(self, pc: int) -> str:
        function = self.function_at(pc)
        return "outside every function" if function is None else f"{function.name}+0x{pc - function.address:x}"

    def read(self, address: int, count: int) -> bytes:
        for origin, content in self.segments:
            if origin <= address and address + count <= origin + len(content):
                return content[address - origin : address - origin + count]
        raise KeyError(f"0x{address:08x} is not in the image")


def _is_code(elf: Any, section: int | str) -> bool:
    return isinstance(section, int) and bool(int(elf.get_section(section)["sh_flags"]) & _EXECUTE)


def _sizes(elf: Any) -> Sizes:
    flash = data = bss = 0
    for section in elf.iter_sections():
        flags, size = int(section["sh_flags"]), int(section["sh_size"])
        if not flags & _ALLOC:
            continue
        if section["sh_type"] == "SHT_NOBITS":
            bss += size
            continue
        flash += size
        data += size if flags & _WRITE else 0
    return Sizes(flash, data, bss)
