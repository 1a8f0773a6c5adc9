"""SA-DSD: self-attention dynamic sampling distillation, as docs/method.md describes it (the symbols are the same).

The teacher's attention says which neighbours of a node matter; where the student still agrees with a neighbour's
soft label, the edge is likely to be drawn, and the student learns from that neighbour too.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from kangen.distill.methods.base import Lesson, Method


class SADSD(Method):
    REFRESH = 5  # epochs between two looks at the student
    MOMENTUM = 0.5  # of the edge probabilities, so that one look does not turn everything over
    WARM_UP = 20  # epochs before the student's opinion counts
    HOPS = 3  # how often attention passes soft labels on
    LABELS, SOFT, NEIGHBOURS = 0.3, 0.5, 0.2

    attention: Tensor
    edge_probability: Tensor
    soft: Tensor
    drawn: Tensor

    def __init__(self, lesson: Lesson) -> None:
        super().__init__(lesson)
        edges = lesson.edge_index.shape[1]
        self.register_buffer("attention", torch.zeros(edges + lesson.nodes))
        self.register_buffer("edge_probability", torch.zeros(edges))
        self.register_buffer("soft", lesson.probabilities.clone())
        self.register_buffer("drawn", torch.zeros(edges, dtype=torch.bool))
        loops = torch.arange(lesson.nodes)
        self.source = torch.cat((lesson.edge_index[0], loops))  # edges, then self-loops
        self.target = torch.cat((lesson.edge_index[1], loops))
        self.keys = F.normalize(lesson.hidden - lesson.hidden.mean(0), dim=1)

    def nodes(self) -> Tensor:
        return torch.arange(self.lesson.nodes)

    def wants_scores(self, epoch: int) -> bool:
        return epoch % self.REFRESH == 0

    def begin_epoch(self, epoch: int, logits: Tensor | None) -> None:
        if logits is not None:
            self.look(epoch, logits.softmax(1))
        self.drawn = torch.rand(self.edge_probability.shape) < self.edge_probability

    def look(self, epoch: int, student: Tensor) -> None:
        """Attention, smoothed soft labels and edge probabilities for the student as it is now."""
        teacher = self.lesson.probabilities
        opinion = teacher if epoch < self.WARM_UP else (teacher + student) / 2
        state = torch.cat((self.keys, F.normalize(opinion, dim=1)), dim=1)
        score = (state[self.source] * state[self.target]).sum(1) * math.sqrt(state.shape[1])
        self.attention = self.softmax(score)
        soft = teacher
        for _ in range(self.HOPS):
            soft = self.gather(soft)
        self.soft = soft
        source, target = self.lesson.edge_index
        agreement = (soft[source] * student[target]).sum(1).clamp(max=1) if epoch >= self.WARM_UP else 1.0
        edges = len(source)
        degree = torch.zeros(self.lesson.nodes).index_add_(0, self.target, torch.ones(len(self.target)))
        chance = (self.attention[:edges] * degree[target] * agreement).clamp(max=1)
        if epoch:
            chance = self.MOMENTUM * self.edge_probability + (1 - self.MOMENTUM) * chance
        self.edge_probability = chance

    def loss(self, nodes: Tensor, logits: Tensor) -> Tensor:
        log_q = logits.log_softmax(1)
        labels = self.lesson.labels[nodes]
        known = labels >= 0
        supervised = F.nll_loss(log_q[known], labels[known]) if known.any() else logits.sum() * 0
        own = divergence(self.soft[nodes], log_q)
        position = torch.full((self.lesson.nodes,), -1).index_put_((nodes,), torch.arange(len(nodes)))
        source, target = self.lesson.edge_index[:, self.drawn]
        inside = position[target] >= 0
        source, target = source[inside], position[target[inside]]
        neighbours = divergence(self.soft[source], log_q[target]) if len(source) else logits.sum() * 0
        return self.LABELS * supervised + self.SOFT * own + self.NEIGHBOURS * neighbours

    def softmax(self, score: Tensor) -> Tensor:
        """Over the incoming edges of each node, its self-loop included."""
        weight = score.exp()
        total = torch.zeros(self.lesson.nodes).index_add_(0, self.target, weight)
        return weight / total[self.target]

    def gather(self, values: Tensor) -> Tensor:
        """Attention-weighted mean over each node's neighbourhood."""
        return torch.zeros_like(values).index_add_(0, self.target, self.attention.unsqueeze(1) * values[self.source])


def divergence(p: Tensor, log_q: Tensor) -> Tensor:
    """KL(p ‖ q), the mean over rows."""
    return F.kl_div(log_q, p, reduction="batchmean")
