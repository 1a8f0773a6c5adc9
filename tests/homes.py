"""A user's folder with small data, a run and a build, for tests of the command line."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from kangen.cli import main

Capture = pytest.CaptureFixture[str]
QUICK = ["--epochs", "4", "--hidden", "4", "--harmonics", "2"]


def small_arrays(nodes: int = 60, features: int = 4, seed: int = 0) -> dict[str, np.ndarray]:
    """Three classes of measurements on a ring, as a user would save them."""
    rng = np.random.default_rng(seed)
    y = np.arange(nodes) % 3
    centres = 2 * rng.normal(size=(3, features))
    ring = np.arange(nodes)
    masks = {name: (ring // 3) % 3 == part for part, name in enumerate(("train", "val", "test"))}
    return {
        "x": (centres[y] + rng.normal(size=(nodes, features))).astype(np.float32),
        "y": y,
        "edge_index": np.stack((ring, (ring + 3) % nodes)),
        **masks,
    }


@cache
def _made() -> Path:
    home = Path(tempfile.mkdtemp(prefix="kangen-home-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    before = Path.cwd()
    os.chdir(home)
    try:
        np.savez("small.npz", **small_arrays())
        assert main(["build", "--data", "small.npz", "--target", "host", *QUICK]) == 0
    finally:
        os.chdir(before)
    return home


def moved_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh copy of small.npz, runs/small and build/small, which is also the current directory."""
    home = folder / "home"
    shutil.copytree(_made(), home)
    request = (home / "runs/small/run.json").read_text()
    (home / "runs/small/run.json").write_text(request.replace(str(_made()), str(home)))
    monkeypatch.chdir(home)
    return home


def snapshot(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def complaint(capsys: Capture) -> str:
    """The one error line, which is the last on stderr."""
    lines = capsys.readouterr().err.splitlines()
    assert sum(line.startswith("error: ") for line in lines) == 1
    assert lines[-1].startswith("error: ")
    assert "Traceback" not in "".join(lines)
    assert "this is a bug" not in lines[-1]
    return lines[-1]


def refuses(home: Path, capsys: Capture, command: str | list[str], *words: str, code: int = 2) -> None:
    before = snapshot(home)
    assert main(command.split() if isinstance(command, str) else command) == code
    line = complaint(capsys)
    for word in words:
        assert word in line
    assert snapshot(home) == before
