"""Disks fill up, people press Ctrl-C, machines are switched off: nothing is half-written, the next attempt goes on."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from homes import Capture, moved_in, refuses, small_arrays, snapshot

from kangen import directory
from kangen.cli import main

BUILD = "build/small"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return moved_in(tmp_path, monkeypatch)


def no_space(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("command", ["build --run runs/small", "train --data small.npz --run runs/new --epochs 2"])
def test_a_full_disk(command: str, home: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", no_space)
    refuses(home, capsys, command, "No space left on device", "free some space")
    assert not list(home.glob("build/.*"))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_behind_the_output(home: Path) -> None:
    command = [sys.executable, "-c", "import sys; from kangen.cli import main; sys.exit(main())", "targets"]
    with Path("/dev/full").open("w") as full:
        answer = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert answer.returncode == 2
    assert answer.stderr.startswith("error: ")
    assert answer.stderr.count("\n") == 1


@pytest.mark.parametrize("failure", [KeyboardInterrupt, OSError(errno.EIO, "Input/output error")])
@pytest.mark.parametrize("at", [1, 2])
def test_a_build_interrupted_while_it_is_put_in_place(
    failure: BaseException | type[BaseException], at: int, home: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename, calls = Path.rename, []

    def failing(path: Path, target: Path) -> Path:
        calls.append(path)
        if len(calls) == at:
            raise failure
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", failing)
    code = 130 if failure is KeyboardInterrupt else 2
    refuses(home, capsys, "build --run runs/small --target cortex-m4", code=code)


def test_a_build_killed_between_its_two_renames_comes_back(home: Path) -> None:
    before = snapshot(home / BUILD)
    (home / BUILD).rename(directory._previous(home / BUILD))
    assert directory.find(home / BUILD) == home / BUILD
    assert snapshot(home / BUILD) == before


TRAINING = ["train", "--data", "larger.npz", "--epochs", "40", "--hidden", "16", "--run", "runs/larger"]
CHILD = """
import sys
import torch
import kangen.distill.loop as loop
from kangen.cli import main
torch.set_num_threads(1)
loop.CHECKPOINT_SECONDS = 0.0
sys.exit(main())
"""


def stopped_in_training(home: Path, blow: signal.Signals) -> subprocess.CompletedProcess[str]:
    """A child that is struck when its first checkpoint is on disk."""
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, *TRAINING], cwd=home, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    state = home / "runs/larger/state.safetensors"
    deadline = time.monotonic() + 60
    while not state.exists() and child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    child.send_signal(blow)
    out, err = child.communicate(timeout=60)
    return subprocess.CompletedProcess(TRAINING, child.returncode, out, err)


@pytest.mark.parametrize(
    ("blow", "again"),
    [(signal.SIGINT, TRAINING), (signal.SIGKILL, ["build", "--run", "runs/larger", "--target", "host"])],
    ids=["Ctrl-C, the same command", "kill -9, a build without the options"],
)
def test_training_goes_on_where_it_was_stopped(
    blow: signal.Signals, again: list[str], home: Path, capsys: Capture
) -> None:
    np.savez(home / "larger.npz", **small_arrays(nodes=600, features=12))
    stopped = stopped_in_training(home, blow)
    if blow is signal.SIGINT:
        assert stopped.returncode == 130
        assert stopped.stderr.splitlines()[-1] == "error: stopped; the same command goes on where training stopped"
        assert "Traceback" not in stopped.stderr
    else:
        assert stopped.returncode == -signal.SIGKILL
    assert not (home / "runs/larger/run.json").exists()
    refuses(home, capsys, "build --run runs/larger --hidden 8", "runs/larger", "hidden = 16, not 8")
    assert main(again) == 0
    assert main([*TRAINING[:-1], "runs/unbroken"]) == 0
    assert snapshot(home / "runs/larger") == snapshot(home / "runs/unbroken")
