"""One core's evidence: what ran, whether it computed the reference's bytes, and what it costs."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from kangen.distill.errors import InputError, unknown
from kangen.runtimes.cores import Core, core_named
from kangen.runtimes.elf import CURE, missing_module
from kangen.runtimes.emulated import EMULATORS, LIMIT, Emulated, Spread, board_of, emulators, run_emulated
from kangen.runtimes.emulator import EmulationError
from kangen.runtimes.firmware import BoardTooSmallError
from kangen.runtimes.host import compile_host
from kangen.runtimes.measure import Footprint, footprint
from kangen.runtimes.records import Difference, Observed, Rows, compare
from kangen.runtimes.toolchains import ARM_CURE, CompileError, Compiler, Tool, Workbench, arm_compilers, choose


@dataclass(frozen=True)
class CoreResult:
    """``not_run`` says why nothing ran, ``failure`` what went wrong; good is neither of them, and no difference."""

    core: str
    title: str
    note: str = ""
    compiler: Tool | None = None
    emulator: Tool | None = None
    rows: int = 0
    not_run: str | None = None
    failure: str | None = None
    difference: Difference | None = None
    instructions: Mapping[str, Spread | None] = field(default_factory=dict)
    stack_painted: Mapping[str, int] = field(default_factory=dict)
    stack_bound: Mapping[str, int | None] = field(default_factory=dict)
    stack_unknown: Mapping[str, str] = field(default_factory=dict)  # why a bound is None
    flash: int | None = None
    data: int | None = None
    bss: int | None = None
    scratch: int | None = None

    @property
    def good(self) -> bool:
        return self.not_run is None and self.failure is None and self.difference is None

    @property
    def status(self) -> str:
        """One line for a table."""
        if self.not_run is not None:
            return f"not run: {self.not_run}"
        if self.failure is not None:
            return f"failed: {self.failure}"
        return str(self.difference) if self.difference else f"{self.rows:,} rows equal"

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "good": self.good}


@dataclass(frozen=True)
class HostResult:
    """The same for this machine, one compiler and one level."""

    compiler: Tool
    level: str
    rows: int = 0
    failure: str | None = None
    difference: Difference | None = None

    @property
    def good(self) -> bool:
        return self.failure is None and self.difference is None

    @property
    def status(self) -> str:
        if self.failure is not None:
            return f"failed: {self.failure}"
        return str(self.difference) if self.difference else f"{self.rows:,} rows equal"

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "good": self.good}


def verify_host(
    sources: Mapping[str, bytes],
    name: str,
    x: Rows,
    wanted: Observed,
    compiler: Compiler,
    level: str,
    bench: Workbench,
) -> HostResult:
    """Every row on this machine against the reference."""
    try:
        model = compile_host(sources, name, compiler, level, bench)
    except CompileError as error:
        return HostResult(compiler.tool, level, failure=str(error))
    wrong = model.self_test()
    if wrong:
        return HostResult(compiler.tool, level, failure=f"self-test: golden vector {wrong} differs")
    return HostResult(compiler.tool, level, x.shape[0], difference=compare(model.run(x), wanted))


def verify_core(
    core_name: str,
    sources: Mapping[str, bytes],
    name: str,
    x: Rows,
    wanted: Observed,
    bench: Workbench,
    *,
    compiler: str | None = None,
    emulator: str | None = None,
    probes: int = 8,
    limit: float = LIMIT,
) -> CoreResult:
    """Every row on one emulated core against the reference, with the first compiler and emulator that serve, or with
    those named."""
    core = core_named(core_name)
    blank = CoreResult(core.name, core.title, core.note)
    missing = missing_module("elftools", "capstone")
    if missing:
        return replace(blank, not_run=f"the Python module {missing} is not installed; {CURE}")
    try:
        chosen = choose(arm_compilers(), compiler, ARM_CURE)
    except InputError as error:
        return replace(blank, not_run=str(error))
    blank = replace(blank, compiler=chosen.tool)
    found = emulators(core)
    usable = {key: tool for key, tool in found.items() if emulator in (None, key)}
    if not usable:
        return replace(blank, not_run=_no_emulator(core, emulator))
    result = blank
    for key, tool in usable.items():
        ready = replace(blank, emulator=tool)
        result = _run(ready, core, chosen, key, sources, name, x, wanted, bench, probes, limit)
        if result.not_run is None:
            break
    return result


def verify_cores(
    names: Sequence[str],
    sources: Mapping[str, bytes],
    name: str,
    x: Rows,
    wanted: Observed,
    bench: Workbench,
    *,
    compiler: str | None = None,
    emulator: str | None = None,
) -> Iterator[CoreResult]:
    """One result for each core, in order, as they come; as many at once as this machine has processors."""
    pool = ThreadPoolExecutor(os.cpu_count() or 1)
    try:
        waiting = [
            pool.submit(verify_core, core, sources, name, x, wanted, bench, compiler=compiler, emulator=emulator)
            for core in names
        ]
        for future in waiting:
            yield future.result()
    finally:
        pool.shutdown(cancel_futures=True)  # after an interruption, the cores that wait are not started


def _run(
    blank: CoreResult,
    core: Core,
    compiler: Compiler,
    emulator: str,
    sources: Mapping[str, bytes],
    name: str,
    x: Rows,
    wanted: Observed,
    bench: Workbench,
    probes: int,
    limit: float,
) -> CoreResult:
    try:
        ran = run_emulated(core, compiler, emulator, sources, name, x, bench, probes=probes, limit=limit)
        size = footprint(core, compiler, board_of(core, emulator), sources, name, bench)
    except BoardTooSmallError as error:
        return replace(blank, not_run=str(error))
    except (CompileError, EmulationError) as error:
        return replace(blank, failure=str(error))
    return replace(
        blank,
        rows=x.shape[0],
        failure=f"self-test: golden vector {ran.self_test} differs" if ran.self_test else _unsound(ran, size),
        difference=compare(ran.outputs, wanted),
        instructions=ran.instructions,
        stack_painted=ran.stack,
        stack_bound={item: bound.bytes for item, bound in size.stack.items()},
        stack_unknown={item: bound.reason for item, bound in size.stack.items() if bound.bytes is None},
        flash=size.flash,
        data=size.data,
        bss=size.bss,
        scratch=ran.scratch,
    )


def _unsound(ran: Emulated, size: Footprint) -> str | None:
    """What the generated C promises of its memory, and does not keep."""
    if size.data or size.bss:
        return f"the model has variables of its own ({size.data} bytes of .data, {size.bss} of .bss)"
    for item, painted in ran.stack.items():
        bound = size.stack[item].bytes
        if bound is not None and painted > bound:
            return f"{item} used {painted} bytes of stack, over its proven bound of {bound}"
    return None


def _no_emulator(core: Core, wanted: str | None) -> str:
    if wanted == "unicorn" and core.unicorn is None:
        return f"unicorn does not model the {core.title}; install qemu-system-arm"
    if wanted not in (None, *EMULATORS):
        raise unknown("emulator", str(wanted), EMULATORS)
    other = "" if core.unicorn is None or wanted == "qemu" else f", or {CURE}"
    return f"no emulator of the {core.title} on this machine; install qemu-system-arm{other}"
