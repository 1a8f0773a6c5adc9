"""What a model costs on a core: bytes of flash and RAM, and how deep its stack can get.

Flash is the difference of two linked images, one with the model and its whole interface kept, the other without: code,
tables, class names, alignment, and the helpers of the compiler's library and of memory.c that the model alone pulls in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kangen.runtimes.cores import Board, Core
from kangen.runtimes.elf import Image
from kangen.runtimes.firmware import model_object, weighed_images
from kangen.runtimes.stack import Frame, StackAnalysis, StackBound
from kangen.runtimes.toolchains import Compiler, Workbench

BOUNDED = ("quantise", "predict_q", "predict")


@dataclass(frozen=True)
class Footprint:
    """Bytes, without a run: from the linked image and the model's object file."""

    flash: int
    data: int  # must be 0: the C writes to no variable of its own
    bss: int  # must be 0
    stack: Mapping[str, StackBound]  # by function
    frames: tuple[Frame, ...]  # of the model and of the helpers that it calls


def footprint(
    core: Core,
    compiler: Compiler,
    board: Board,
    sources: Mapping[str, bytes],
    name: str,
    bench: Workbench,
    level: str = "-O2",
) -> Footprint:
    with_model, without = (
        Image(path.read_bytes()) for path in weighed_images(bench, core, compiler, board, sources, name, level)
    )
    own = Image(model_object(bench, core, compiler, sources, name, level)).sizes
    analysis = StackAnalysis(with_model, core.wide)
    bounds = {item: analysis.bound(f"{name}_{item}") for item in BOUNDED}
    return Footprint(
        flash=with_model.sizes.flash - without.sizes.flash,
        data=own.data,
        bss=own.bss,
        stack=bounds,
        frames=analysis.frames(),
    )
