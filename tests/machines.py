"""The tools of this machine, and models for them: right ones, and ones that are wrong in a known place."""

from __future__ import annotations

import re
from dataclasses import fields

from programs import random_inputs

from kangen.codegen.c import Golden, emit_c
from kangen.codegen.program import Program
from kangen.codegen.targets import TARGETS
from kangen.runtimes import emulated, toolchains
from kangen.runtimes.cores import CORES
from kangen.runtimes.records import expected

HOST = toolchains.host_compilers()
ARM = toolchains.arm_compilers()
EMULATED = [
    (core, compiler.family, emulator)
    for core in CORES.values()
    for compiler in ARM
    for emulator in emulated.emulators(core)
]


def emit(program: Program, target: str = "cortex-m") -> dict[str, bytes]:
    x = random_inputs(program, 6, seed=9)
    wanted = expected(program, x)
    values = {item.name: getattr(wanted, item.name) for item in fields(Golden) if item.name != "x"}
    return emit_c(program, TARGETS[target], Golden(x=x, **values))


def with_one_weight_changed(sources: dict[str, bytes]) -> dict[str, bytes]:
    """The first weight of the model, one more or one less."""
    text = sources["probe.c"].decode()
    found = re.search(r"probe_weights_0\[[^]]*\][^{]*\{\s*(?:/\*.*?\*/\s*)?(-?\d+)", text, re.S)
    assert found, "the weights are not where this test looks for them"
    value = int(found.group(1))
    changed = text[: found.start(1)] + str(value - 1 if value > 0 else value + 1) + text[found.end(1) :]
    return {**sources, "probe.c": changed.encode()}


def with_statement(sources: dict[str, bytes], statement: bytes) -> dict[str, bytes]:
    """The model with a statement at the start of its quantising function."""
    place = b"int saturated = 0;"
    assert sources["probe.c"].count(place) == 1, "the quantising function is not where this test looks for it"
    return {**sources, "probe.c": sources["probe.c"].replace(place, place + b" " + statement)}
