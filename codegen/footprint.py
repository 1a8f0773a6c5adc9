"""What the generated C takes, exactly: bytes of constants, bytes of stack, multiply-accumulates."""

from __future__ import annotations

from kangen.codegen.kernels import dense, sparse
from kangen.codegen.kernels.cost import Cost
from kangen.codegen.program import DenseLayer, Layer, Program


def cost(program: Program) -> list[Cost]:
    """What each layer costs."""
    final = len(program.layers) - 1
    return [_cost(layer, last=number == final) for number, layer in enumerate(program.layers)]


def scratch_bytes(program: Program) -> int:
    """Every array that is on the stack at once while NAME_predict runs."""
    codes, scores = program.inputs, 4 * program.classes
    hidden = sum(size for _, size in buffers(program))
    return codes + scores + hidden + max(layer.scratch for layer in cost(program))


def _cost(layer: Layer, *, last: bool) -> Cost:
    return dense.cost(layer, last=last) if isinstance(layer, DenseLayer) else sparse.cost(layer, last=last)


def buffers(program: Program) -> list[tuple[str, int]]:
    """Hidden codes go back and forth between two buffers."""
    widths = [layer.outputs for layer in program.layers[:-1]]
    names = ["hidden"] if len(widths) == 1 else ["hidden_even", "hidden_odd"]
    return [(name, max(widths[n::2])) for n, name in enumerate(names) if widths[n::2]]
