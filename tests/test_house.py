"""The architecture holds: imports run one way, the light rooms stay light, nothing private is in the repository."""

from __future__ import annotations

import ast
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ORDER = ["distill", "codegen", "runtimes", "kangen"]
SOURCES = [path for room in ORDER for path in sorted((ROOT / room).rglob("*.py"))]


def imported_rooms(path: Path) -> set[str]:
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            parts = name.split(".")
            if parts[0] == "kangen" and len(parts) > 1:
                rooms.add(parts[1] if parts[1] in ORDER else "kangen")
    return rooms


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_one_way(path):
    room = path.relative_to(ROOT).parts[0]
    below = set(ORDER[: ORDER.index(room) + 1])
    assert imported_rooms(path) - {"templates"} <= below


@pytest.mark.parametrize(
    "module", ["kangen.cli", "kangen.codegen.program", "kangen.codegen.c", "kangen.runtimes.reference"]
)
def test_what_a_firmware_engineer_runs_never_loads_torch(module):
    code = f"import {module}, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_help_answers_at_once():
    def seconds() -> float:
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "kangen", "--help"], check=True, capture_output=True)
        return time.perf_counter() - start

    assert min(seconds() for _ in range(5)) < 0.3


def test_no_source_file_holds_two_things():
    long = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in SOURCES}
    assert {name: count for name, count in long.items() if count > 420} == {}


def test_every_package_is_installed():
    """A new folder of Python files must be named in pyproject.toml, or a wheel would lack it."""
    declared = (ROOT / "pyproject.toml").read_text()
    for folder in {path.parent for path in SOURCES}:
        parts = folder.relative_to(ROOT).parts
        dotted = ".".join(parts if parts[0] == "kangen" else ("kangen", *parts))
        assert f'"{dotted}"' in declared
