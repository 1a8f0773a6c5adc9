"""Quantising: the folded student as the integer arithmetic will see it, differentiable and exact but for ties.

``Ranges`` fixes what a code is worth before each layer; :func:`forward` runs the student through those codes, the int8
value tables and int8 weights, with gradients that pass straight through the roundings.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from kangen.codegen.fold import FoldedLayer, FoldedStudent
from kangen.distill.student import REACH

TABLE_SCALE = 127.0  # an int8 feature of 127 is a sine of 1
LEVELS = 255
HEADROOM = 1.5  # for measurements: how much farther than seen in training a code still follows
CLIPS = (1.0, 0.9998, 0.999, 0.997, 0.99, 0.98)  # shares of the observed values that a range may cover


@dataclass(frozen=True)
class Range:
    """A code q is worth ``scale · (q - zero)``."""

    scale: float
    zero: int

    def codes(self, u: Tensor) -> Tensor:
        return torch.clamp(torch.round(u / self.scale) + self.zero, -128, 127)


def covering(low: float, high: float) -> Range:
    """The range from ``low`` to ``high``, widened to hold zero so that its code exists."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = max((high - low) / LEVELS, 1e-9)
    return Range(scale, max(-128, min(127, round(-128 - low / scale))))


def straight_through(rounded: Tensor, smooth: Tensor) -> Tensor:
    """The rounded value, with the gradient of the smooth one."""
    return smooth + (rounded - smooth).detach()


def quantised_input(u: Tensor, limits: Range) -> Tensor:
    inside = u.clamp(limits.scale * (-128 - limits.zero), limits.scale * (127 - limits.zero))
    return straight_through(limits.scale * (limits.codes(u) - limits.zero), inside)


def features(u: Tensor, frequency: Tensor, *, rounded: bool) -> Tensor:
    """cos and sin of every harmonic [batch, inputs · 2K], as the value table stores them when ``rounded``."""
    angle = u.unsqueeze(-1) * frequency
    smooth = torch.stack((angle.cos(), angle.sin()), dim=-1).flatten(1)
    return straight_through(torch.round(smooth * TABLE_SCALE) / TABLE_SCALE, smooth) if rounded else smooth


def weight_scale(weights: Tensor, *, common: bool) -> Tensor:
    """What one int8 step of each output's weights is worth [outputs]; the last layer's outputs share one."""
    largest = weights.detach().abs().amax(dim=(1, 2))
    most = torch.clamp(largest.max(), min=1e-9)
    # An output whose weights all vanished keeps its bias, which a scale of nothing could not hold.
    return (most.expand_as(largest) if common else torch.maximum(largest, most / 1024)) / 127


def apply_layer(layer: FoldedLayer, u: Tensor, limits: Range | None, *, last: bool) -> Tensor:
    """One layer on real inputs; with ``limits`` as the integers compute it, without as the float student does."""
    weights = layer.weights
    if limits is not None:
        scale = weight_scale(weights, common=last)[:, None, None]
        weights = straight_through(torch.round(weights / scale) * scale, weights)
    if layer.frequency is None:
        sums: Tensor = torch.sparse.mm(u, weights.squeeze(-1).T)
        return sums + layer.bias
    u = u.clamp(-REACH, REACH) if limits is None else quantised_input(u, limits)
    return features(u, layer.frequency, rounded=limits is not None) @ weights.flatten(1).T + layer.bias


def forward(folded: FoldedStudent, x: Tensor, ranges: tuple[Range | None, ...]) -> Tensor:
    """The logits; layers whose range is None run in float (a binary layer's inputs are exact: any range will do)."""
    u = x if folded.layers[0].frequency is None else (x - folded.offset) * folded.gain
    last = len(folded.layers) - 1
    for number, (layer, limits) in enumerate(zip(folded.layers, ranges, strict=True)):
        u = apply_layer(layer, u, limits, last=number == last)
    return u


def measured_range(u: Tensor) -> Range:
    """For measurements: room for what an unseen sensor reports, up to where the float student's functions end too."""
    low, high = float(u.min()) * HEADROOM, float(u.max()) * HEADROOM
    return covering(max(low, -REACH), min(high, REACH))


def clipped_ranges(u: Tensor) -> list[Range]:
    """Ranges that hold all of the values seen, or leave out some of both tails."""
    values = u.clamp(-REACH, REACH).flatten().double().sort().values
    tails = [int((1 - share) / 2 * (len(values) - 1)) for share in CLIPS]
    return [covering(float(values[tail]), float(values[len(values) - 1 - tail])) for tail in tails]


@torch.no_grad()
def calibrate(folded: FoldedStudent, x: Tensor) -> tuple[Range, ...]:
    """The inputs' range, then for each layer the clipping that disturbs the logits least, those before it quantised."""
    count = len(folded.layers)
    exact = forward(folded, x, (None,) * count)
    ranges: list[Range] = []
    u = x if folded.layers[0].frequency is None else (x - folded.offset) * folded.gain
    for number, layer in enumerate(folded.layers):
        if layer.frequency is None:
            ranges.append(Range(1.0, 0))
        else:
            errors = []
            candidates = [measured_range(u)] if number == 0 else clipped_ranges(u)
            for limits in candidates:
                trial = (*ranges, limits, *[None] * (count - number - 1))
                errors.append(float((forward(folded, x, trial) - exact).square().mean()))
            ranges.append(candidates[errors.index(min(errors))])
        u = apply_layer(layer, u, ranges[-1], last=number == count - 1)
    return tuple(ranges)
