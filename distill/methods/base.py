"""What every method is given, and what it must answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn


@dataclass(frozen=True)
class Lesson:
    """What may be learned from: the observed nodes, numbered from 0, and what the teacher says about them."""

    labels: Tensor  # [nodes], -1 where the label does not teach
    edge_index: Tensor  # [2, edges], from a neighbour to the node that listens to it; no self-loops
    probabilities: Tensor  # [nodes, classes], the teacher's
    hidden: Tensor  # [nodes, width], the teacher's representation

    @property
    def nodes(self) -> int:
        return len(self.labels)


class Method(nn.Module):
    """A loss for the student. Parameters are trained with the student's, buffers are kept in checkpoints."""

    needs_teacher: ClassVar[bool] = True

    def __init__(self, lesson: Lesson) -> None:
        super().__init__()
        self.lesson = lesson

    def nodes(self) -> Tensor:
        """The observed nodes that the student is run on in an epoch."""
        raise NotImplementedError

    def begin_epoch(self, epoch: int, logits: Tensor | None) -> None:
        """Called before each epoch, with the student's scores of all observed nodes where ``wants_scores`` said so."""

    def wants_scores(self, epoch: int) -> bool:  # noqa: ARG002
        return False

    def loss(self, nodes: Tensor, logits: Tensor) -> Tensor:
        """The loss of a batch: ``logits`` [batch, classes] are the student's for ``nodes`` [batch]."""
        raise NotImplementedError
