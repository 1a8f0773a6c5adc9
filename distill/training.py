"""Training: the teachers, then the student, in a directory that remembers how far they are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from kangen.distill.checkpoints import Run, RunDirectory, load_tensors
from kangen.distill.config import TrainConfig, recommended
from kangen.distill.data.nodes import NodeData, is_sparse
from kangen.distill.errors import InputError
from kangen.distill.loop import Loop, Progress, Report, ignore
from kangen.distill.methods import METHODS, Lesson
from kangen.distill.stages import StudentStage, TeacherGraph, TeacherStage, accuracy

__all__ = ["Progress", "TrainConfig", "ignore", "recommended", "train"]


def train(
    data: NodeData,
    config: TrainConfig,
    directory: Path,
    report: Report = ignore,
    *,
    data_request: Mapping[str, Any] | None = None,
) -> Run:
    """Train in ``directory``, or go on with what was interrupted there, or load what is finished."""
    _check(data)
    files = RunDirectory(directory, config, data, data_request)
    run = files.finished()
    if run is not None:
        return run
    with torch.random.fork_rng(devices=[]), torch.sparse.check_sparse_tensor_invariants(enable=False):
        loop = Loop(files, report)
        metrics: dict[str, Any] = {}
        lesson = plain_lesson(data)
        if METHODS[config.method].needs_teacher:
            lesson, metrics["teacher"] = teach(data, config, lesson, loop)
        stage = StudentStage(data, config, lesson)
        load_tensors(stage.chosen, loop.run(stage), "the trained student")
        labels = stage.scores(np.arange(data.nodes)).argmax(1).numpy()
        metrics["student"] = {"val": accuracy(labels, data, data.val), "test": accuracy(labels, data, data.test)}
        metrics["confusion"] = confusion(labels, data)
        return files.finish(stage.chosen, metrics)


def teach(data: NodeData, config: TrainConfig, lesson: Lesson, loop: Loop) -> tuple[Lesson, dict[str, float | None]]:
    """Train the teachers; what they say about the observed nodes together, and how good the first one is alone."""
    graph = TeacherGraph(data)
    metrics: dict[str, float | None] = {}
    probabilities, representations = [], []
    for number in range(config.teachers):
        stage = TeacherStage(graph, data, config, number)
        load_tensors(stage.model, loop.run(stage), "the trained teacher")
        hidden, logits = stage.outputs(graph.seen)
        probabilities.append(logits[graph.observed].softmax(1))
        representations.append(hidden[graph.observed])
        if number == 0:
            choosing, whole = (stage.outputs(adj)[1].argmax(1).numpy() for adj in (graph.choosing, graph.whole))
            metrics = {"val": accuracy(choosing, data, data.val), "test": accuracy(whole, data, data.test)}
    spoken = torch.stack(probabilities).mean(0), torch.cat(representations, dim=1)
    return Lesson(lesson.labels, lesson.edge_index, *spoken), metrics


def plain_lesson(data: NodeData) -> Lesson:
    """What can be learned without a teacher."""
    number = np.full(data.nodes, -1)
    number[data.observed] = np.arange(data.observed.sum())
    edges = number[data.edge_index]
    labels = np.where(data.train, data.y, -1)[data.observed]
    nothing = torch.zeros(len(labels), 0)
    kept = edges[:, (edges >= 0).all(axis=0) & (edges[0] != edges[1])]
    return Lesson(torch.from_numpy(labels), torch.from_numpy(kept), nothing, nothing)


def confusion(labels: np.ndarray[Any, np.dtype[np.int64]], data: NodeData) -> list[list[int]]:
    """Test nodes by true class (rows) and the student's answer (columns)."""
    asked = data.test & (data.y >= 0)
    table = np.zeros((data.classes, data.classes), np.int64)
    np.add.at(table, (data.y[asked], labels[asked]), 1)
    counts: list[list[int]] = table.tolist()
    return counts


def _check(data: NodeData) -> None:
    labelled = data.y >= 0
    for mask, what, use in ((data.train, "training", "teach"), (data.val, "validation", "choose the model by")):
        if not (mask & labelled).any():
            raise InputError(f"{data.name} has no labelled {what} node: give at least one to {use}")
    if data.train.sum() < 2:
        raise InputError(f"{data.name} has one training node: a student needs two or more, better some of every class")
    if (data.train & ~data.observed).any():
        raise InputError(f"{data.name} has training nodes that are not observed: let 'observed' include 'train'")
    unlabelled = int(((data.train | data.val) & ~labelled).sum())
    if unlabelled:
        raise InputError(f"{data.name} has {unlabelled} training or validation nodes without a label: mask them out")
    values = data.x.data if is_sparse(data.x) else data.x
    if not np.isfinite(values).all():
        raise InputError(f"{data.name} has features that are not finite numbers: fill them in or leave those nodes out")
