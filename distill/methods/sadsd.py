"""SA-DSD: self-attention dynamic sampling distillation, as docs/method.md describes it, with the same symbols.

Self-attention over a node's neighbourhood finds who matters to it; where the student agrees with what a neighbour says,
the edge is likely to be drawn, and the student learns from that neighbour besides its own label and soft label.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kangen.distill.methods.base import Lesson, Method


class SADSD(Method):
    REFRESH = 5  # epochs between two looks at the student
    WARM_UP = 10  # epochs in which only the teacher's opinion counts
    HOPS = 3  # how often soft labels are passed along the attention
    START = (0.9, 1.5, 0.6)  # weights of label, own and near at the start, before the division by three
    HEAVIEST = math.e  # a weight's bound: a loss that reaches zero must not silence the others

    edge_probability: Tensor
    soft: Tensor
    trust: Tensor
    drawn: Tensor

    def __init__(self, lesson: Lesson) -> None:
        super().__init__(lesson)
        loops = torch.arange(lesson.nodes)
        self.source = torch.cat((lesson.edge_index[0], loops))  # the edges, then each node to itself
        self.target = torch.cat((lesson.edge_index[1], loops))
        self.neighbourhood = torch.bincount(self.target, minlength=lesson.nodes)  # |N(i)| + 1
        self.keys = F.normalize(lesson.hidden - lesson.hidden.mean(0), dim=1)  # h̄
        self.eta = nn.Parameter(-torch.tensor(self.START).log())
        self.register_buffer("soft", lesson.probabilities.clone())  # r
        self.register_buffer("trust", certainty(lesson.probabilities))  # c
        self.register_buffer("edge_probability", torch.ones(lesson.edge_index.shape[1]))  # π
        self.register_buffer("drawn", torch.ones(lesson.edge_index.shape[1], dtype=torch.bool))

    def nodes(self) -> Tensor:
        return torch.arange(self.lesson.nodes)

    def wants_scores(self, epoch: int) -> bool:
        return epoch % self.REFRESH == 0

    def begin_epoch(self, epoch: int, logits: Tensor | None) -> None:
        if logits is not None:
            self.look(logits.softmax(1), warm=epoch >= self.WARM_UP)
        self.drawn = torch.rand(self.edge_probability.shape) < self.edge_probability

    def look(self, q: Tensor, warm: bool) -> None:
        """Soft labels and sampling probabilities, for the student as it is now."""
        p = self.lesson.probabilities
        attention = self.attend((p + q) / 2 if warm else p)
        self.soft = p
        for _ in range(self.HOPS):
            passed = attention.unsqueeze(1) * self.soft[self.source]
            self.soft = torch.zeros_like(p).index_add_(0, self.target, passed)
        self.trust = certainty(self.soft)
        source, target = self.lesson.edge_index
        influence = attention[: len(source)] * self.neighbourhood[target]  # 1 for an average neighbour
        agreement = (self.soft[source] * q[target]).sum(1) if warm else torch.ones(len(source))
        self.edge_probability = 0.5 * self.edge_probability + 0.5 * (influence * agreement).clamp(max=1)

    def attend(self, opinion: Tensor) -> Tensor:
        """α: scaled dot-product attention of every node over its neighbours and itself."""
        state = torch.cat((self.keys, F.normalize(opinion, dim=1)), dim=1)  # u
        root = math.sqrt(state.shape[1])
        score = root * (state[self.source] * state[self.target]).sum(1)
        # |u| = √2, so a score is 2√d at most, which its self-loop reaches: float32 holds exp(80).
        weight = (score - max(0.0, 2 * root - 80)).exp()
        total = torch.zeros(self.lesson.nodes).index_add_(0, self.target, weight)
        return weight / total[self.target]

    def loss(self, nodes: Tensor, logits: Tensor) -> Tensor:
        log_q = logits.log_softmax(1)
        labels = self.lesson.labels[nodes]
        label = mean(F.nll_loss(log_q, labels, ignore_index=-1, reduction="none")[labels >= 0])
        own = mean(self.trust[nodes] * divergence(self.soft[nodes], log_q))
        source, row = self.sampled(nodes)
        near = mean(self.trust[source] * divergence(self.soft[source], log_q[row]))
        eta = self.eta.clamp(min=-math.log(self.HEAVIEST))
        total: Tensor = (eta.neg().exp() * torch.stack((label, own, near)) + eta).mean()
        return total

    def sampled(self, nodes: Tensor) -> tuple[Tensor, Tensor]:
        """The drawn edges into these nodes: the neighbours, and the rows of the batch that listen to them."""
        row_of = torch.full((self.lesson.nodes,), -1)
        row_of[nodes] = torch.arange(len(nodes))
        source, target = self.lesson.edge_index[:, self.drawn]
        row = row_of[target]
        return source[row >= 0], row[row >= 0]


def divergence(p: Tensor, log_q: Tensor) -> Tensor:
    """KL(p ‖ q), row by row."""
    return F.kl_div(log_q, p, reduction="none").sum(1)


def certainty(p: Tensor) -> Tensor:
    """1 for a row that is sure, 0 for one that knows nothing: one minus the entropy over its largest value."""
    entropy: Tensor = torch.special.entr(p).sum(1)
    return 1 - entropy / math.log(p.shape[1])


def mean(values: Tensor) -> Tensor:
    """The mean, and zero where there is nothing."""
    return values.sum() / max(1, len(values))
