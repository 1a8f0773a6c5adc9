"""Bare-metal images: the harness and a model, compiled and linked for one core."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from kangen.runtimes.cores import Board, Core
from kangen.runtimes.harness import PUBLIC, check_sources, harness_files, link_script
from kangen.runtimes.toolchains import CompileError, Compiler, Workbench

HARNESS = ("startup.S", "memory.c", "main.c")
EMPTY = ("startup.S", "memory.c", "empty.c")
COMMON = (
    "-std=c99",
    "-ffreestanding",
    "-ffunction-sections",
    "-fdata-sections",
    "-fno-common",
    "-fomit-frame-pointer",
    "-ffp-contract=fast",  # the C promises the same codes whether or not a compiler fuses
    "-g",
)
# What the compilers must be told besides: gcc not to turn memcpy's loop into a call of memcpy.
HARNESS_ONLY = {
    "gcc": ("-fno-builtin", "-fno-tree-loop-distribute-patterns"),
    "zig": ("-fno-builtin",),
}
ALWAYS = {"gcc": ("-mthumb",), "zig": ("-mthumb", "-fno-sanitize=undefined")}


class BoardTooSmallError(CompileError):
    """The model does not fit into the memory of the emulated board."""


def machine_flags(core: Core, compiler: Compiler) -> tuple[str, ...]:
    return (*ALWAYS[compiler.family], *(core.gcc if compiler.family == "gcc" else core.zig))


def compile_object(
    bench: Workbench, core: Core, compiler: Compiler, files: Mapping[str, bytes], source: str, flags: Sequence[str]
) -> bytes:
    arguments = (*machine_flags(core, compiler), *COMMON, *flags, "-c", source)
    return bench.build(compiler, files, arguments, f"{source}.o")[0].read_bytes()


def model_object(
    bench: Workbench, core: Core, compiler: Compiler, sources: Mapping[str, bytes], name: str, level: str
) -> bytes:
    return compile_object(bench, core, compiler, sources, f"{name}.c", (level,))


def _harness_objects(
    bench: Workbench, core: Core, compiler: Compiler, files: Mapping[str, bytes], names: Sequence[str]
) -> dict[str, bytes]:
    flags = ("-O2", *HARNESS_ONLY[compiler.family])
    return {f"{name}.o": compile_object(bench, core, compiler, files, name, flags) for name in names}


def link(
    bench: Workbench,
    core: Core,
    compiler: Compiler,
    board: Board,
    objects: Mapping[str, bytes],
    keep: Sequence[str] = (),
) -> Path:
    """An ELF of the objects, with what ``keep`` names kept and nothing else that is not reached."""
    files = {**objects, "link.ld": link_script(core.title, board)}
    arguments = (
        *machine_flags(core, compiler),
        *("-nostartfiles", "-nostdlib") * (compiler.family == "gcc"),
        "-Wl,-T,link.ld",
        "-Wl,--gc-sections",
        *(f"-Wl,-u,{symbol}" for symbol in keep),
        "-g",
        *sorted(objects),
    )
    try:
        if compiler.family == "gcc":
            return bench.build(compiler, files, (*arguments, "-lgcc"), "image.elf")[0]
        try:
            return bench.build(compiler, files, (*arguments, "-nostdlib"), "image.elf")[0]
        except CompileError as error:
            # zig compiles its runtime library for each core, which takes seconds: only where something needs it.
            if "undefined symbol" not in error.output:
                raise
            return bench.build(compiler, files, arguments, "image.elf")[0]
    except CompileError as error:
        overflow = re.search(r"(FLASH|RAM).*?overflowed by (\d+) bytes", error.output)
        if overflow:
            region, excess = overflow.groups()
            size = getattr(board, region.lower()).length
            raise BoardTooSmallError(
                f"the model and the harness need {size + int(excess):,} bytes of {region}, and the emulated board "
                f"({board.machine}) has {size:,}"
            ) from None
        raise


def harness_image(
    bench: Workbench,
    core: Core,
    compiler: Compiler,
    board: Board,
    sources: Mapping[str, bytes],
    name: str,
    level: str = "-O2",
) -> Path:
    """The image that runs a model on one core, under any emulator."""
    check_sources(sources, name)
    files = {**sources, **harness_files(name, "record.h", "board.h", *HARNESS)}
    objects = _harness_objects(bench, core, compiler, files, HARNESS)
    objects[f"{name}.c.o"] = model_object(bench, core, compiler, sources, name, level)
    return link(bench, core, compiler, board, objects)


def weighed_images(
    bench: Workbench,
    core: Core,
    compiler: Compiler,
    board: Board,
    sources: Mapping[str, bytes],
    name: str,
    level: str = "-O2",
) -> tuple[Path, Path]:
    """Two images that differ by the model alone: with its whole interface kept, and without."""
    objects = _harness_objects(bench, core, compiler, harness_files(name, "board.h", *EMPTY), EMPTY)
    empty = link(bench, core, compiler, board, objects)
    objects[f"{name}.c.o"] = model_object(bench, core, compiler, sources, name, level)
    return link(bench, core, compiler, board, objects, [f"{name}_{item}" for item in PUBLIC]), empty
