"""Interruptions: whatever ends a run, the next attempt finishes it to the same bits, or says what is in the way."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from test_training import QUICK, bits, few_labels

from kangen.distill import loop
from kangen.distill.checkpoints import RUN, STATE, STUDENT, load_run
from kangen.distill.errors import InputError
from kangen.distill.training import Progress, train

CHILD = """
import sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from test_training import QUICK, few_labels
from kangen.distill import loop
from kangen.distill.training import train
loop.CHECKPOINT_SECONDS = 0.0
def report(progress):
    print(progress.stage, progress.step, flush=True)
train(few_labels(), QUICK, Path(sys.argv[1]), report)
"""


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("whole")
    train(few_labels(), QUICK, directory)
    return directory


class StopHereError(Exception):
    pass


def interrupt_at(stage: str, step: int, how: type[BaseException] = StopHereError) -> Callable[[Progress], None]:
    def report(progress: Progress) -> None:
        if progress.stage == stage and progress.step >= step:
            raise how

    return report


@pytest.mark.parametrize(("stage", "step"), [("teacher 1 of 2", 9), ("teacher 2 of 2", 5), ("student", 13)])
def test_kill_9_and_resume_give_the_uninterrupted_student(
    stage: str, step: int, uninterrupted: Path, tmp_path: Path
) -> None:
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent), "OMP_NUM_THREADS": "1"}
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tmp_path)], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert child.stdout is not None
    for line in child.stdout:
        if line.split() == [*stage.split(), str(step)]:
            break
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL, "the child must be killed in the middle of its work"
    assert (tmp_path / STATE).exists()
    assert not (tmp_path / RUN).exists()

    steps: list[Progress] = []
    train(few_labels(), QUICK, tmp_path, steps.append)
    assert (steps[0].stage, steps[0].step >= step - 1) == (stage, True), "finished epochs are not repeated"
    assert bits(tmp_path) == bits(uninterrupted)
    assert load_run(tmp_path).metrics == load_run(uninterrupted).metrics
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([RUN, STUDENT])


def test_ctrl_c_leaves_a_checkpoint_that_resumes(
    uninterrupted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    with pytest.raises(KeyboardInterrupt):
        train(few_labels(), QUICK, tmp_path, interrupt_at("student", 15, KeyboardInterrupt))
    train(few_labels(), QUICK, tmp_path)
    assert bits(tmp_path) == bits(uninterrupted)


def test_what_a_cut_off_write_left_behind_is_swept_up(uninterrupted: Path, tmp_path: Path) -> None:
    (tmp_path / f".{STATE}.x1y2").write_bytes(b"half")
    train(few_labels(), QUICK, tmp_path)
    assert bits(tmp_path) == bits(uninterrupted)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([RUN, STUDENT])


def test_a_finished_run_is_loaded_and_not_repeated(uninterrupted: Path) -> None:
    before = (uninterrupted / STUDENT).stat().st_mtime_ns
    start = time.monotonic()
    steps: list[Progress] = []
    run = train(few_labels(), QUICK, uninterrupted, steps.append)
    assert steps == []
    assert time.monotonic() - start < 1
    assert (uninterrupted / STUDENT).stat().st_mtime_ns == before
    assert run.metrics["student"]["test"] > 0.5


def test_a_directory_of_another_run_is_refused_and_kept(uninterrupted: Path) -> None:
    before = bits(uninterrupted)
    with pytest.raises(InputError, match=r"seed = 0 instead of 7.*choose another folder") as refusal:
        train(few_labels(), dataclasses.replace(QUICK, seed=7), uninterrupted)
    assert str(uninterrupted) in str(refusal.value)
    data = few_labels()
    with pytest.raises(InputError, match="other data"):
        train(dataclasses.replace(data, y=np.roll(data.y, 1)), QUICK, uninterrupted)
    assert bits(uninterrupted) == before


def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    with pytest.raises(StopHereError):
        train(few_labels(), QUICK, tmp_path, interrupt_at("student", 5))
    with pytest.raises(InputError, match="harmonics = 2 instead of 3"):
        train(few_labels(), dataclasses.replace(QUICK, harmonics=3), tmp_path)
    with pytest.raises(InputError, match=r"no finished run .* the same folder to finish it"):
        load_run(tmp_path)


@pytest.mark.parametrize("part", [0.0, 0.3, 0.99])
def test_a_cut_checkpoint_is_named_with_the_cure(part: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    with pytest.raises(StopHereError):
        train(few_labels(), QUICK, tmp_path, interrupt_at("student", 5))
    whole = (tmp_path / STATE).read_bytes()
    (tmp_path / STATE).write_bytes(whole[: int(part * len(whole))])
    with pytest.raises(InputError, match=f"{STATE} is damaged .* delete it to start"):
        train(few_labels(), QUICK, tmp_path)


def copy_of(directory: Path, target: Path) -> Path:
    for file in directory.iterdir():
        (target / file.name).write_bytes(file.read_bytes())
    return target


def test_missing_cut_and_foreign_files_are_named(uninterrupted: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no finished run in .*train it with"):
        load_run(tmp_path)
    run = copy_of(uninterrupted, tmp_path)
    whole = bits(run)
    (run / STUDENT).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=rf"{STUDENT} is damaged"):
        load_run(run)
    (run / STUDENT).unlink()
    with pytest.raises(InputError, match=f"{STUDENT} does not exist"):
        load_run(run)
    (run / RUN).write_text('{"format": "something else"}')
    with pytest.raises(InputError, match="does not describe a kangen run"):
        load_run(run)
    (run / RUN).write_text('{"format": ')
    with pytest.raises(InputError, match="not valid JSON"):
        load_run(run)


def test_a_student_of_another_run_or_shape_is_refused(uninterrupted: Path, tmp_path: Path) -> None:
    run, other, wide = tmp_path / "run", tmp_path / "other", tmp_path / "wide"
    run.mkdir()
    copy_of(uninterrupted, run)
    train(few_labels(), dataclasses.replace(QUICK, seed=3), other)
    (run / STUDENT).write_bytes(bits(other))
    with pytest.raises(InputError, match="is not the student that"):
        load_run(run)
    train(few_labels(), dataclasses.replace(QUICK, hidden=(9,)), wide)
    (run / STUDENT).write_bytes(bits(wide))
    with pytest.raises(InputError, match=r"amplitude has the shape .*instead of"):
        load_run(run)


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("mine")
    with pytest.raises(InputError, match="is a file: give a folder"):
        train(few_labels(), QUICK, tmp_path / "run")
    assert (tmp_path / "run").read_text() == "mine"
