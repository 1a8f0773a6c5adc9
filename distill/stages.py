"""What is trained: a teacher on its graph, the student by a method."""

from __future__ import annotations

import copy
import math

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kangen.distill.config import TrainConfig
from kangen.distill.data.nodes import Ints, Mask, NodeData
from kangen.distill.loop import derive
from kangen.distill.methods import METHODS, Lesson
from kangen.distill.student import Student, StudentConfig, as_tensor
from kangen.distill.teachers import TEACHERS, adjacency, teacher_features

AVERAGE = 0.98  # of the student's weights: the mean of about the last fifty steps is what is kept


class TeacherGraph:
    """Features and graph, as training, validation and the test may see them."""

    def __init__(self, data: NodeData) -> None:
        self.x = teacher_features(data)
        self.y = torch.from_numpy(data.y)
        self.train, self.val = torch.from_numpy(data.train), torch.from_numpy(data.val)
        self.observed = torch.from_numpy(data.observed)
        self.seen = adjacency(data.edge_index, data.observed)
        self.choosing = adjacency(data.edge_index, data.observed | data.val)
        self.whole = adjacency(data.edge_index, np.ones(data.nodes, bool))


class TeacherStage:
    """A graph neural network, full batch, on the observed part of the graph."""

    def __init__(self, graph: TeacherGraph, data: NodeData, config: TrainConfig, number: int) -> None:
        self.graph = graph
        self.name, self.title = f"teacher{number}", f"teacher {number + 1} of {config.teachers}"
        self.epochs, self.patience = config.teacher_epochs, config.patience
        torch.manual_seed(derive(config.seed, self.name, "start"))
        sparse = graph.x.layout is torch.sparse_csr
        width, p = config.teacher_hidden, config.teacher_dropout
        self.model = TEACHERS[config.teacher](data.features, width, data.classes, p, sparse)
        self.module = self.chosen = self.model
        rate, decay = config.teacher_learning_rate, config.teacher_weight_decay
        self.optimiser = torch.optim.Adam(self.model.parameters(), lr=rate, weight_decay=decay)

    def epoch(self, number: int) -> float:  # noqa: ARG002
        graph = self.graph
        self.model.train()
        self.optimiser.zero_grad()
        _, logits = self.model(graph.x, graph.seen)
        loss = F.cross_entropy(logits[graph.train], graph.y[graph.train])
        loss.backward()
        self.optimiser.step()
        return loss.item()

    def score(self) -> tuple[float, float]:
        graph = self.graph
        _, logits = self.outputs(graph.choosing)
        return judge(logits[graph.val], graph.y[graph.val])

    @torch.no_grad()
    def outputs(self, adj: Tensor) -> tuple[Tensor, Tensor]:
        self.model.eval()
        hidden, logits = self.model(self.graph.x, adj)
        return hidden, logits


class StudentStage:
    """The student, in batches of nodes; what is kept is the running average of its weights."""

    def __init__(self, data: NodeData, config: TrainConfig, lesson: Lesson) -> None:
        self.data, self.config = data, config
        self.name, self.title = "student", "student"
        self.epochs, self.patience = config.epochs, config.patience
        torch.manual_seed(derive(config.seed, self.name, "start"))
        self.student = Student(student_config(data, config))
        self.method = METHODS[config.method](lesson)
        self.observed = np.flatnonzero(data.observed)
        self.rows = Rows(data, self.student.config)
        if not data.binary:
            self.student.fit_scaling(self.rows[self.observed], centre=data.standardise)
        self.chosen: Student = copy.deepcopy(self.student)
        self.module = nn.ModuleDict({"student": self.student, "method": self.method, "average": self.chosen})
        trained = [p for part in (self.student, self.method) for p in part.parameters()]
        self.optimiser = torch.optim.AdamW(trained, lr=config.learning_rate, weight_decay=config.weight_decay)
        self.steps = math.ceil(len(self.observed) / config.batch)  # an epoch's, whatever the method needs of the nodes

    def epoch(self, number: int) -> float:
        for group in self.optimiser.param_groups:
            group["lr"] = self.config.learning_rate * 0.5 * (1 + math.cos(math.pi * number / self.epochs))
        scores = self.scores(self.observed) if self.method.wants_scores(number) else None
        self.method.begin_epoch(number, scores)
        self.student.train()
        before = number * self.steps
        losses = [self.step(part, before + step) for step, part in enumerate(self.parts())]
        return sum(losses) / len(losses)

    def parts(self) -> list[Tensor]:
        """The nodes in random batches; a method of few nodes sees them all in each of as many steps."""
        nodes = self.method.nodes()
        if len(nodes) <= self.config.batch:
            return [nodes] * self.steps
        return list(nodes[torch.randperm(len(nodes))].tensor_split(self.steps))

    def step(self, nodes: Tensor, number: int) -> float:
        x = self.rows[self.observed[nodes.numpy()]]
        self.optimiser.zero_grad()
        loss = self.method.loss(nodes, self.student(self.disturbed(x)))
        loss.backward()
        self.optimiser.step()
        self.average(min(AVERAGE, number / (number + 10)))  # a short memory while much is still changing
        return loss.item()

    def disturbed(self, x: Tensor) -> Tensor:
        """Measurements with noise in units of their deviation; documents with some words left out."""
        noise = self.config.noise
        if x.layout is torch.sparse_csr:
            kept = x.values() * (torch.rand_like(x.values()) >= noise)
            return torch.sparse_csr_tensor(x.crow_indices(), x.col_indices(), kept, x.shape, check_invariants=False)
        gain = self.student.gain
        deviation = torch.where(gain > 0, 1 / gain.clamp(min=1e-30), 0.0)
        return x + noise * deviation * torch.randn_like(x)

    @torch.no_grad()
    def average(self, keep: float) -> None:
        for old, new in zip(self.chosen.state_dict().values(), self.student.state_dict().values(), strict=True):
            old.lerp_(new, 1 - keep) if old.is_floating_point() else old.copy_(new)

    def score(self) -> tuple[float, float]:
        val = np.flatnonzero(self.data.val)
        return judge(self.scores(val), torch.from_numpy(self.data.y[val]))

    @torch.no_grad()
    def scores(self, nodes: Ints) -> Tensor:
        """The averaged student's class scores."""
        self.chosen.eval()
        starts = range(0, len(nodes), self.config.batch)
        return torch.cat([self.chosen(self.rows[nodes[i : i + self.config.batch]]) for i in starts])


class Rows:
    """The nodes' features as the student reads them, a selection at a time."""

    def __init__(self, data: NodeData, config: StudentConfig) -> None:
        self.config = config
        self.x = sp.csr_matrix(data.x) if data.sparse or config.binary else np.asarray(data.x, np.float32)

    def __getitem__(self, nodes: Ints) -> Tensor:
        return as_tensor(self.x[nodes], self.config)


def student_config(data: NodeData, config: TrainConfig) -> StudentConfig:
    return StudentConfig(
        inputs=data.features,
        classes=data.classes,
        hidden=config.hidden,
        harmonics=config.harmonics,
        binary=data.binary,
        base=config.base,
        dropout=config.dropout,
    )


def judge(logits: Tensor, y: Tensor) -> tuple[float, float]:
    """Accuracy and cross entropy."""
    right = (logits.argmax(1) == y).double().mean()
    return float(right), float(F.cross_entropy(logits, y))


def accuracy(labels: npt.NDArray[np.int64], data: NodeData, mask: Mask) -> float | None:
    """The part of the labelled nodes of the mask that is right; None where there is none."""
    asked = mask & (data.y >= 0)
    return float((labels[asked] == data.y[asked]).mean()) if asked.any() else None
