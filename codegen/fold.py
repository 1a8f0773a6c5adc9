"""Folding: everything of a student that is free at run time disappears into the numbers that are not.

Phase shifts rotate the amplitudes, batch norm and the next layer's input scales multiply the weights, and the centring
and scaling of the measurements joins the first layer's input scales. What is left of a layer is its frequencies, one
matrix and one bias, on inputs whose unit is the radian at frequency 1. Differentiable, so that fine-tuning sees
through it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from kangen.distill.student import FRKANLayer, Student


@dataclass(frozen=True)
class FoldedLayer:
    """``u_next = weights · features(u) + bias``, where the features of a binary layer are its inputs themselves."""

    frequency: Tensor | None  # [K]; None for a binary layer
    weights: Tensor  # [outputs, inputs, 2K], or [outputs, inputs, 1] for a binary layer
    bias: Tensor  # [outputs]


@dataclass(frozen=True)
class FoldedStudent:
    """``u_0 = (x - offset) · gain``, then the layers."""

    offset: Tensor  # [inputs]
    gain: Tensor  # [inputs]
    layers: tuple[FoldedLayer, ...]


def fold(student: Student) -> FoldedStudent:
    layers: list[FRKANLayer] = [layer for layer in student.layers if isinstance(layer, FRKANLayer)]
    folded = []
    for number, layer in enumerate(layers):
        if student.config.binary and number == 0:
            bias, step = layer.binary_edges()
            frequency, weights = None, step.T.unsqueeze(-1)
        else:
            frequency, weights, bias = layer.frequency, layer.rotated_amplitude(), layer.bias
        if number < len(layers) - 1:
            norm = student.norms[number]
            assert isinstance(norm, nn.BatchNorm1d)  # noqa: S101 - tells the type checker
            assert norm.running_mean is not None and norm.running_var is not None  # noqa: S101, PT018
            gain = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
            shift = norm.bias - norm.running_mean * gain
            scale = layers[number + 1].scale
            weights = weights * (gain * scale)[:, None, None]
            bias = (bias * gain + shift) * scale
        folded.append(FoldedLayer(frequency, weights, bias))
    gain = student.gain if student.config.binary else student.gain * layers[0].scale
    return FoldedStudent(student.offset, gain, tuple(folded))
