"""No distillation: the student learns from the labels alone. What a method must beat."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor
from torch.nn import functional as F

from kangen.distill.methods.base import Method


class Labels(Method):
    needs_teacher: ClassVar[bool] = False

    def nodes(self) -> Tensor:
        return (self.lesson.labels >= 0).nonzero().flatten()

    def loss(self, nodes: Tensor, logits: Tensor) -> Tensor:
        return F.cross_entropy(logits, self.lesson.labels[nodes])
