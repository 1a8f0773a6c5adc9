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


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """``failure`` says what went wrong as a whole, ``difference`` which row came out differently first."""

    rows: int = 0
    failure: str | None = None
    difference: Difference | None = None

    @property
    def finding(self) -> str | None:
        """All that is wrong, in one line."""
        return "; ".join(str(item) for item in (self.failure, self.difference) if item is not None) or None

    @property
    def good(self) -> bool:
        return self.finding is None

    @property
    def status(self) -> str:
        """One line for a table."""
        if self.failure is not None:
            return f"failed: {self.finding}"
        return self.finding or f"{self.rows:,} rows equal"

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "good": self.good}


@dataclass(frozen=True)
class CoreResult(Verdict):
    """``not_run`` says why nothing ran, which is never good."""

    core: str
    title: str
    note: str = ""
    compiler: Tool | None = None
    emulator: Tool | None = None
    not_run: str | None = None
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
        return self.not_run is None and super().good

    @property
    def status(self) -> str:
        return super().status if self.not_run is None else f"not run: {self.not_run}"


@dataclass(frozen=True)
class HostResult(Verdict):
    """The same for this machine, one compiler and one level."""

    compiler: Tool
    level: str


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
    failure = _self_test_failure(model.self_test())
    difference = compare(model.run(x), wanted)
    return HostResult(compiler.tool, level, rows=x.shape[0], failure=failure, difference=difference)


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
        failure=_self_test_failure(ran.self_test) or _unsound(ran, size),
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


def _self_test_failure(result: int) -> str | None:
    return f"self-test: golden vector {result} differs" if result else None


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
