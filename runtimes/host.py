"""The generated C on this machine: as a Python callable, and under sanitizers."""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from kangen.runtimes.harness import check_sources, harness_files
from kangen.runtimes.records import Observed, Rows, batches, check_width, from_records, record_type
from kangen.runtimes.toolchains import (
    HOST_CURE,
    TIME_LIMIT,
    CompileError,
    Compiler,
    Tool,
    Workbench,
    choose,
    first_line,
    host_compilers,
    run_child,
)

OPTIONS = ("-std=c99", "-ffp-contract=fast")  # the C promises the same codes whether or not a compiler fuses

# zig would check for undefined behaviour at -O0, and build its own C library, which the model does without.
_PLAIN = {"zig": ("-fno-sanitize=undefined", "-nostdlib")}


class HostModel:
    """The compiled C, row by row or many rows at a time."""

    def __init__(self, library: ctypes.CDLL, name: str, compiler: Tool, level: str) -> None:
        shape = (ctypes.c_int32 * 4)()
        library.harness_shape(shape)
        self.name, self.compiler, self.level = name, compiler, level
        self.inputs, self.classes, self.scratch = int(shape[0]), int(shape[1]), int(shape[2])
        self._records = record_type(self.inputs, self.classes)
        if self._records.itemsize != shape[3]:
            raise CompileError(f"{compiler} lays out struct record in {shape[3]} bytes, not {self._records.itemsize}")
        self._library = library

    def __repr__(self) -> str:
        return f"HostModel({self.name}, {self.compiler} {self.level}, {self.inputs} inputs, {self.classes} classes)"

    def self_test(self) -> int:
        """0, or the 1-based index of the first golden vector that differs."""
        return int(self._library.harness_self_test())

    def run(self, x: Rows) -> Observed:
        check_width(x, self.inputs, self.name)
        records = np.zeros(x.shape[0], self._records)
        done = 0
        for rows in batches(x):
            into = records[done : done + len(rows)]
            self._library.harness_run(
                ctypes.c_void_p(rows.ctypes.data), ctypes.c_size_t(len(rows)), ctypes.c_void_p(into.ctypes.data)
            )
            done += len(rows)
        return from_records(records)


def compile_host(
    sources: Mapping[str, bytes],
    name: str,
    compiler: Compiler | None = None,
    level: str = "-O2",
    workbench: Workbench | None = None,
) -> HostModel:
    """The model as a callable. Without a workbench the compiled file lives as long as the callable."""
    check_sources(sources, name)
    compiler = compiler or choose(host_compilers(), None, HOST_CURE)
    bench = workbench or Workbench()
    files = {**sources, **harness_files(name, "record.h", "host.c")}
    arguments = (*OPTIONS, *_PLAIN.get(compiler.family, ()), level, "-fPIC", "-shared", f"{name}.c", "host.c")
    path, _ = bench.build(compiler, files, arguments, f"{name}.so")
    model = HostModel(ctypes.CDLL(str(path)), name, compiler.tool, level)
    if workbench is None:
        weakref.finalize(model, bench.close)
    return model


@dataclass(frozen=True)
class SanitiserReport:
    compiler: Tool
    checks: tuple[str, ...]  # "address", "undefined"
    rows: int
    finding: str | None  # the first, in the sanitizer's words

    @property
    def good(self) -> bool:
        return self.finding is None


_INSTRUMENTED = {
    "address": ("-fsanitize=address",),
    "undefined": ("-fsanitize=undefined", "-fno-sanitize-recover=undefined"),
}


def run_sanitised(
    sources: Mapping[str, bytes],
    name: str,
    x: Rows,
    compiler: Compiler | None = None,
    workbench: Workbench | None = None,
) -> SanitiserReport:
    """Every function on every row under AddressSanitizer and UBSan. zig brings only the second."""
    check_sources(sources, name)
    compiler = compiler or choose(host_compilers(), None, HOST_CURE)
    checks = ("undefined",) if compiler.family == "zig" else ("address", "undefined")
    flags = tuple(flag for check in checks for flag in _INSTRUMENTED[check])
    bench = workbench or Workbench()
    try:
        files = {**sources, **harness_files(name, "record.h", "sanitised.c")}
        arguments = (*OPTIONS, "-O1", "-g", *flags, f"{name}.c", "sanitised.c")
        program, _ = bench.build(compiler, files, arguments, "sanitised")
        rows = b"".join(part.tobytes() for part in batches(x))
        finished = run_child((str(program),), stdin=rows, limit=TIME_LIMIT)
    finally:
        if workbench is None:
            bench.close()
    finding = None
    if finished.returncode != 0:
        finding = first_line(finished.stderr) if finished.stderr else f"stopped with status {finished.returncode}"
    return SanitiserReport(compiler.tool, checks, x.shape[0], finding)
