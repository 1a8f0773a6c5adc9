"""The compilers of this machine, and how they are run: each says its name and version, each child has a time limit,
and what was compiled once is kept until the workbench closes."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from kangen.distill.errors import InputError, KangenError

TIME_LIMIT = 300.0  # seconds; zig builds its own runtime library at first use
LEVELS = ("-O0", "-O2", "-Os")
HOST_CURE = "install gcc or clang, or 'pip install kangen[emulate]', which brings one"
ARM_CURE = "install gcc-arm-none-eabi, or 'pip install kangen[emulate]', which brings one"


class CompileError(KangenError):
    """A compiler refused the generated C, or could not be run."""

    exit_code = 1

    def __init__(self, line: str, output: str = "") -> None:
        super().__init__(line)
        self.output = output


@dataclass(frozen=True)
class Tool:
    """Something that ran, as it calls itself."""

    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


@dataclass(frozen=True)
class Compiler:
    tool: Tool
    family: str  # "gcc", "clang" or "zig": whose flags it takes
    command: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.tool.name


def run_child(
    command: Sequence[str], *, cwd: Path | None = None, limit: float = TIME_LIMIT, stdin: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    """Run a tool to its end, in English, and never longer than ``limit`` seconds."""
    environment = {**os.environ, "LC_ALL": "C"}
    try:
        return subprocess.run(
            list(command), cwd=cwd, env=environment, input=stdin, capture_output=True, timeout=limit, check=False
        )
    except subprocess.TimeoutExpired:
        raise CompileError(f"{command[0]} did not finish within {limit:.0f} s; it was stopped") from None
    except OSError as error:
        raise CompileError(f"cannot run {command[0]}: {error.strerror or error}; install it again") from error


def version_of(command: Sequence[str], pattern: str) -> tuple[str, str] | None:
    """The first line that a tool prints about itself, and the version in it; None if it cannot be run."""
    try:
        finished = run_child(command, limit=30)
    except CompileError:
        return None
    lines = finished.stdout.decode(errors="replace").splitlines()
    if finished.returncode != 0 or not lines:
        return None
    found = re.search(pattern, lines[0])
    return lines[0], found.group(1) if found else lines[0].strip()


def _gnu_style(name: str) -> Compiler | None:
    path = shutil.which(name)
    about = version_of((path, "--version"), r"(?:version |\) )(\d+(?:\.\d+)+)") if path else None
    if path is None or about is None:
        return None
    family = "clang" if "clang" in about[0].lower() else "gcc"
    shown = family if name == "cc" else re.sub(r"-\d+$", "", name)
    return Compiler(Tool(shown, about[1]), family, (path,))


def _zig() -> Compiler | None:
    package = importlib.util.find_spec("ziglang")
    if package is None or package.origin is None:
        return None
    binary = Path(package.origin).parent / ("zig.exe" if sys.platform == "win32" else "zig")
    about = version_of((str(binary), "version"), r"(\S+)")
    return Compiler(Tool("zig", about[1]), "zig", (str(binary), "cc")) if about else None


def _first(candidates: Iterable[Callable[[], Compiler | None]]) -> Compiler | None:
    return next((found for candidate in candidates if (found := candidate()) is not None), None)


def host_compilers() -> tuple[Compiler, ...]:
    """Every C compiler for this machine, one of a kind: gcc, clang, zig."""
    clangs = ("clang", *(f"clang-{number}" for number in range(30, 10, -1)))
    found = (
        _first(lambda name=name: _gnu_style(name) for name in ("gcc", "cc")),  # type: ignore[misc]
        _first(lambda name=name: _gnu_style(name) for name in clangs),  # type: ignore[misc]
        _zig(),
    )
    unique: dict[Tool, Compiler] = {}
    for compiler in found:
        if compiler is not None:
            unique.setdefault(Tool(compiler.family, compiler.tool.version), compiler)
    return tuple(unique.values())


def arm_compilers() -> tuple[Compiler, ...]:
    """Every compiler for Cortex-M, the preferred one first."""
    return tuple(found for found in (_gnu_style("arm-none-eabi-gcc"), _zig()) if found is not None)


def choose(compilers: Sequence[Compiler], name: str | None, cure: str) -> Compiler:
    """The preferred compiler, or the one asked for by name."""
    for compiler in compilers:
        if name in (None, compiler.name, compiler.family):
            return compiler
    wanted = "no C compiler" if name is None else f"no compiler '{name}'"
    here = f" (here: {', '.join(compiler.name for compiler in compilers)})" if compilers else ""
    raise InputError(f"{wanted} on this machine{here}; {cure}")


def first_line(output: bytes) -> str:
    """The line of a compiler's output that says what is wrong."""
    lines = [line.strip() for line in output.decode(errors="replace").splitlines() if line.strip()]
    return next((line for line in lines if "error" in line.lower()), lines[0] if lines else "no message")


class Workbench:
    """A temporary folder in which sources are compiled. Equal sources and flags give the same file, made once."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="kangen-")

    def __enter__(self) -> Workbench:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._folder.cleanup()

    def folder(self, prefix: str) -> Path:
        """A new empty folder."""
        return Path(tempfile.mkdtemp(prefix=f"{prefix}-", dir=self._folder.name))

    def build(
        self, compiler: Compiler, files: Mapping[str, bytes], arguments: Sequence[str], product: str
    ) -> tuple[Path, str]:
        """Run the compiler among ``files``; its product, and what it printed.

        Raises CompileError with the first complaint when it fails.
        """
        digest = hashlib.sha256(repr((compiler.command, compiler.tool, tuple(arguments), product)).encode())
        for name in sorted(files):
            digest.update(f"{name} {len(files[name])} ".encode() + files[name])
        folder = Path(self._folder.name) / digest.hexdigest()[:24]
        made = folder / product
        if made.exists():
            return made, (folder / "messages").read_text()
        folder.mkdir(exist_ok=True)
        for name, content in files.items():
            (folder / name).write_bytes(content)
        finished = run_child((*compiler.command, *arguments, "-o", product), cwd=folder)
        printed = finished.stderr.decode(errors="replace")
        if finished.returncode != 0:
            shutil.rmtree(folder)
            raise CompileError(f"{compiler.tool}: {first_line(finished.stderr)}", printed)
        (folder / "messages").write_text(printed)
        return made, printed
