"""Training as its users rely on it: it learns, repeats bit for bit, and never looks where it must not."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from toys import toy_data

from kangen.distill.checkpoints import load_run
from kangen.distill.config import METHODS as METHOD_NAMES
from kangen.distill.config import TEACHERS as TEACHER_NAMES
from kangen.distill.config import TrainConfig, recommended
from kangen.distill.data.nodes import NodeData
from kangen.distill.errors import InputError
from kangen.distill.methods import METHODS
from kangen.distill.student import as_tensor
from kangen.distill.teachers import TEACHERS
from kangen.distill.training import Progress, train

QUICK = TrainConfig(hidden=(8,), harmonics=2, teachers=2, teacher_hidden=16, teacher_epochs=20, epochs=30)


def few_labels(binary: bool = False) -> NodeData:
    """The toy data with six labels a class, so that there is something to distil."""
    data = toy_data(binary=binary)
    train = np.zeros(data.nodes, bool)
    for label in range(data.classes):
        train[np.flatnonzero(data.train & (data.y == label))[:6]] = True
    return dataclasses.replace(data, train=train)


def bits(directory: Path) -> bytes:
    return (directory / "student.safetensors").read_bytes()


@pytest.mark.parametrize("teacher", TEACHER_NAMES)
@pytest.mark.parametrize("binary", [False, True])
def test_every_teacher_learns_from_measurements_and_from_words(teacher: str, binary: bool, tmp_path: Path) -> None:
    run = train(few_labels(binary), dataclasses.replace(QUICK, teacher=teacher, teachers=1, epochs=1), tmp_path)
    assert run.metrics["teacher"]["val"] > 0.6
    assert run.metrics["teacher"]["test"] > 0.6


def test_the_distilled_student_beats_the_one_that_had_only_labels(tmp_path: Path) -> None:
    config = dataclasses.replace(QUICK, epochs=60)
    distilled = train(few_labels(), config, tmp_path / "sadsd")
    alone = train(few_labels(), dataclasses.replace(config, method="labels"), tmp_path / "labels")
    assert distilled.metrics["student"]["test"] > alone.metrics["student"]["test"] + 0.02
    assert "teacher" not in alone.metrics


def test_binary_words_stay_sparse_and_are_learned(tmp_path: Path) -> None:
    data = few_labels(binary=True)
    run = train(data, dataclasses.replace(recommended(data), teacher_epochs=30, epochs=40, hidden=(8,)), tmp_path)
    assert run.student.config.binary
    assert run.metrics["student"]["test"] > 0.6


def test_sparse_counts_are_scaled_without_being_centred(tmp_path: Path) -> None:
    data = few_labels(binary=True)
    counts = sp.csr_matrix(data.x, copy=True)
    counts.data *= np.random.default_rng(0).uniform(0.2, 3, counts.nnz).astype(np.float32)
    run = train(dataclasses.replace(data, x=counts), dataclasses.replace(QUICK, teacher="gcn"), tmp_path)
    assert not run.student.config.binary
    assert not run.student.offset.any()
    assert run.metrics["student"]["test"] > 0.5


def test_two_runs_give_the_same_bits(tmp_path: Path) -> None:
    torch.manual_seed(1)
    train(few_labels(), QUICK, tmp_path / "a")
    torch.manual_seed(2)
    before = torch.get_rng_state()
    train(few_labels(), QUICK, tmp_path / "b")
    assert bits(tmp_path / "a") == bits(tmp_path / "b")
    assert torch.equal(before, torch.get_rng_state()), "training must leave the caller's random numbers alone"


def test_another_seed_gives_another_student(tmp_path: Path) -> None:
    train(few_labels(), QUICK, tmp_path / "a")
    train(few_labels(), dataclasses.replace(QUICK, seed=1), tmp_path / "b")
    assert bits(tmp_path / "a") != bits(tmp_path / "b")


def test_test_labels_and_unseen_nodes_change_nothing(tmp_path: Path) -> None:
    data = few_labels()
    hidden = data.test & (np.arange(data.nodes) % 2 == 0)
    data = dataclasses.replace(data, observed=~hidden, test=hidden)
    x, y = data.x.copy(), data.y.copy()
    x[hidden] = np.random.default_rng(0).normal(size=x[hidden].shape)
    y[hidden] = (y[hidden] + 1) % data.classes
    train(data, QUICK, tmp_path / "a")
    train(dataclasses.replace(data, x=x, y=y), QUICK, tmp_path / "b")
    assert bits(tmp_path / "a") == bits(tmp_path / "b")


def test_batches_cover_a_large_data_set(tmp_path: Path) -> None:
    run = train(few_labels(), dataclasses.replace(QUICK, batch=128), tmp_path)
    assert run.metrics["student"]["test"] > 0.6


def test_progress_names_every_stage_and_ends_at_its_total(tmp_path: Path) -> None:
    seen: list[Progress] = []
    train(few_labels(), QUICK, tmp_path, seen.append)
    assert list(dict.fromkeys(p.stage for p in seen)) == ["teacher 1 of 2", "teacher 2 of 2", "student"]
    assert seen[-1].step == seen[-1].total == QUICK.epochs
    assert "validation" in seen[-1].text


def test_metrics_are_those_of_the_stored_student(tmp_path: Path) -> None:
    data = few_labels()
    train(data, QUICK, tmp_path, data_request={"name": "toy"})
    run = load_run(tmp_path)
    with torch.no_grad():
        labels = run.student(as_tensor(data.x, run.student.config)).argmax(1).numpy()
    assert run.metrics["student"]["test"] == (labels == data.y)[data.test].mean()
    assert np.sum(run.metrics["confusion"]) == data.test.sum()
    assert np.trace(run.metrics["confusion"]) == (labels == data.y)[data.test].sum()
    assert run.data_request == {"name": "toy"}
    assert run.config == QUICK
    json.dumps(run.metrics)


def test_the_names_in_the_configuration_are_those_that_exist() -> None:
    assert set(METHOD_NAMES) == set(METHODS)
    assert set(TEACHER_NAMES) == set(TEACHERS)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"method": "sadds"}, "did you mean 'sadsd'"),
        ({"teacher": "saga"}, "did you mean 'sage'"),
        ({"epochs": 0}, "epochs = 0: give 1 or more"),
        ({"hidden": (32, 0)}, "hidden"),
        ({"learning_rate": float("nan")}, "learning_rate"),
        ({"noise": 1.5}, "noise"),
        ({"seed": -1}, "seed"),
    ],
)
def test_impossible_configurations_are_refused(change: dict[str, object], says: str) -> None:
    with pytest.raises(InputError, match=says):
        TrainConfig(**change)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda d: {"train": np.zeros(d.nodes, bool)}, "no labelled training node"),
        (lambda d: {"val": np.zeros(d.nodes, bool)}, "no labelled validation node"),
        (lambda d: {"observed": ~d.train}, "not observed"),
        (lambda d: {"x": np.where(np.arange(d.nodes)[:, None] == 3, np.nan, d.x)}, "not finite"),
        (lambda d: {"y": np.where(np.arange(d.nodes) == np.flatnonzero(d.val)[0], -1, d.y)}, "without a label"),
    ],
)
def test_data_that_cannot_be_learned_from_are_refused(spoil, says: str, tmp_path: Path) -> None:
    data = few_labels()
    with pytest.raises(InputError, match=says):
        train(dataclasses.replace(data, **spoil(data)), QUICK, tmp_path)


def test_a_loss_that_is_not_a_number_stops_with_the_epoch_and_the_cure(tmp_path: Path) -> None:
    data = few_labels()
    x = data.x.astype(np.float32).copy()
    x[data.train] *= np.float32(1e30)
    with pytest.raises(InputError, match=r"loss of .* became (nan|inf) in epoch \d+: lower the learning rate"):
        train(dataclasses.replace(data, x=x), dataclasses.replace(QUICK, learning_rate=1e30), tmp_path)
