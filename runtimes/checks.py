"""What compilers and analysers say about the generated C, without running it. An empty answer is a clean one."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence

from kangen.runtimes.cores import Core
from kangen.runtimes.firmware import machine_flags
from kangen.runtimes.toolchains import CompileError, Compiler, Tool, Workbench, run_child, version_of

STRICT = ("-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Wdouble-promotion", "-Werror")
_USER = "user.c"
# cppcheck has no compiler behind it, and must be told what one would say: portable C, then the DSP instructions.
_CONFIGURATIONS = (("-DFLT_EVAL_METHOD=0",), ("-DFLT_EVAL_METHOD=0", "-D__ARM_FEATURE_DSP=1"))


def strict_diagnostics(
    sources: Mapping[str, bytes],
    name: str,
    compiler: Compiler,
    core: Core | None = None,
    *,
    cpp: bool = False,
    bench: Workbench | None = None,
) -> tuple[str, ...]:
    """Warnings and errors of the strictest flags, for the model and for a file that includes its two headers.

    As C99, or with ``cpp`` as C++11; for the host, or for a core.
    """
    user = (
        f'#include "{name}.h"\n#include "{name}_golden.h"\n'
        f"int user(void);\nint user(void) {{ return {name}_self_test(); }}\n"
    )
    files = {**sources, _USER: user.encode()}
    language = ("-x", "c++", "-std=c++11") if cpp else ("-std=c99",)
    machine = (*machine_flags(core, compiler), "-ffreestanding") if core else ()
    found: list[str] = []
    own = bench or Workbench()
    try:
        for level in ("-O0", "-O2"):
            for source in (f"{name}.c", _USER):
                arguments = (*machine, *STRICT, level, *language, "-c", source)
                found += _diagnostics(own, compiler, files, arguments)
    finally:
        if bench is None:
            own.close()
    return tuple(dict.fromkeys(found))


def _diagnostics(
    bench: Workbench, compiler: Compiler, files: Mapping[str, bytes], arguments: Sequence[str]
) -> list[str]:
    try:
        _, printed = bench.build(compiler, files, arguments, "checked.o")
    except CompileError as error:
        lines = [line for line in error.output.splitlines() if ": error: " in line or ": warning: " in line]
        return lines or [str(error)]
    return [line for line in printed.splitlines() if ": warning: " in line]


def find_cppcheck() -> Tool | None:
    path = shutil.which("cppcheck")
    about = version_of((path, "--version"), r"(\d\S*)") if path else None
    return Tool("cppcheck", about[1]) if about else None


def cppcheck_findings(sources: Mapping[str, bytes], name: str) -> tuple[str, ...] | None:
    """What cppcheck finds at its most talkative; None where it is not installed."""
    command = shutil.which("cppcheck")
    if command is None:
        return None
    # A library's functions are used elsewhere, and a checker that lacks the system's headers is no finding.
    quiet = tuple(f"--suppress={kind}" for kind in ("unusedFunction", "missingIncludeSystem", "unmatchedSuppression"))
    form = ("--template={file}:{line}: {severity}: {message} [{id}]", "--template-location=")
    lines: list[str] = []
    with Workbench() as bench:
        folder = bench.folder("cppcheck")
        for file, content in sources.items():
            (folder / file).write_bytes(content)
        for machine in _CONFIGURATIONS:
            finished = run_child(
                (
                    command,
                    "--enable=all",
                    "--inconclusive",
                    "--std=c99",
                    "--quiet",
                    *form,
                    *quiet,
                    *machine,
                    f"{name}.c",
                ),
                cwd=folder,
            )
            lines += finished.stderr.decode(errors="replace").splitlines()
    return tuple(dict.fromkeys(line for line in lines if line.strip()))
