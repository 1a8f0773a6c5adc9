"""FR-KAN+, the student: a Kolmogorov-Arnold network whose edge functions are short Fourier series.

For inputs x_i, outputs y_j and harmonics k of one layer

    y_j = β_j + Σ_i Σ_k  a_jik cos(ω_k s_i x_i + φ_ik) + b_jik sin(ω_k s_i x_i + φ_ik)

with learnable frequencies ω_k, input scales s_i and phase shifts φ_ik. An edge function lives on
|s_i x_i| ≤ 4; beyond, it keeps its value at the end. A Fourier series would repeat itself there, and what it repeats
was never trained.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kangen.distill.data.nodes import Rows, is_sparse

REACH = 4.0  # scaled inputs end here, for the float student as for the int8 codes: deviations, at the start of training


@dataclass(frozen=True)
class StudentConfig:
    inputs: int
    classes: int
    hidden: tuple[int, ...] = (32,)
    harmonics: int = 4
    binary: bool = False  # inputs are 0 or 1: the first layer then needs one harmonic and skips the zeros
    base: float = 0.5  # the first frequency at the start of training, in radians per standard deviation
    dropout: float = 0.0

    @property
    def widths(self) -> tuple[int, ...]:
        return (self.inputs, *self.hidden, self.classes)


class FRKANLayer(nn.Module):
    """One Fourier-KAN layer; builds the features once and does one matrix product."""

    def __init__(self, inputs: int, outputs: int, harmonics: int, base: float) -> None:
        super().__init__()
        self.inputs, self.outputs, self.harmonics, self.base = inputs, outputs, harmonics, base
        self.frequency = nn.Parameter(torch.empty(harmonics))
        self.scale = nn.Parameter(torch.empty(inputs))
        self.phase = nn.Parameter(torch.empty(inputs, harmonics))
        self.amplitude = nn.Parameter(torch.empty(outputs, inputs, 2 * harmonics))  # a_1 b_1 a_2 b_2 …
        self.bias = nn.Parameter(torch.empty(outputs))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        with torch.no_grad():
            self.frequency.copy_(self.base * torch.arange(1, self.harmonics + 1))
            self.scale.fill_(1.0)
            self.phase.zero_()
            # cos² + sin² = 1, so each (input, harmonic) adds one amplitude's variance; higher harmonics start
            # smaller, which keeps the functions smooth.
            order = torch.arange(1, self.harmonics + 1, dtype=torch.float32)
            spread = 1.0 / (order * torch.sqrt((order**-2).sum() * self.inputs))
            self.amplitude.normal_().mul_(spread.repeat_interleave(2))
            self.bias.zero_()

    def features(self, x: Tensor) -> Tensor:
        """cos and sin of every input's harmonics: [batch, inputs · 2K]."""
        scaled = (x * self.scale).clamp(-REACH, REACH)
        angle = scaled.unsqueeze(-1) * self.frequency + self.phase  # [batch, inputs, K]
        return torch.stack((angle.cos(), angle.sin()), dim=-1).flatten(1)

    def forward(self, x: Tensor) -> Tensor:
        if x.layout is torch.sparse_csr:
            constant, step = self.binary_edges()
            sums: Tensor = torch.sparse.mm(x, step)
            return sums + constant
        return F.linear(self.features(x), self.amplitude.flatten(1), self.bias)

    def binary_edges(self) -> tuple[Tensor, Tensor]:
        """For inputs of 0 and 1: the output for all zeros [outputs], and what each 1 adds [inputs, outputs]."""
        at_zero = torch.stack((self.phase.cos(), self.phase.sin()), dim=-1).flatten(1)  # [inputs, 2K]
        angle = self.scale.unsqueeze(-1) * self.frequency + self.phase
        at_one = torch.stack((angle.cos(), angle.sin()), dim=-1).flatten(1)
        constant = self.bias + torch.einsum("jif,if->j", self.amplitude, at_zero)
        step = torch.einsum("jif,if->ij", self.amplitude, at_one - at_zero)
        return constant, step

    def rotated_amplitude(self) -> Tensor:
        """The amplitudes with the phase shifts turned into them, for features without phases [outputs, inputs, 2K]."""
        a, b = self.amplitude[..., 0::2], self.amplitude[..., 1::2]
        cos, sin = self.phase.cos(), self.phase.sin()
        return torch.stack((a * cos + b * sin, b * cos - a * sin), dim=-1).flatten(2)

    def extra_repr(self) -> str:
        return f"{self.inputs}, {self.outputs}, harmonics={self.harmonics}"


class Student(nn.Module):
    """FR-KAN+ layers with batch norm between them, on raw features: the centring and scaling are its own."""

    offset: Tensor
    gain: Tensor

    def __init__(self, config: StudentConfig) -> None:
        super().__init__()
        self.config = config
        widths = config.widths
        first = 1 if config.binary else config.harmonics
        harmonics = (first, *[config.harmonics] * (len(widths) - 2))
        self.layers = nn.ModuleList(
            FRKANLayer(i, o, k, math.pi if config.binary and n == 0 else config.base)
            for n, (i, o, k) in enumerate(zip(widths, widths[1:], harmonics, strict=False))
        )
        self.norms = nn.ModuleList(nn.BatchNorm1d(width) for width in config.hidden)
        self.register_buffer("offset", torch.zeros(config.inputs))
        self.register_buffer("gain", torch.ones(config.inputs))

    def fit_scaling(self, x: Tensor, centre: bool = True) -> None:
        """Centre and scale the inputs by the mean and deviation of these rows; a constant feature stays at zero.

        Without centring, for counts that are mostly zero, a zero stays zero and what is present has unit size.
        """
        if centre:
            deviation, mean = torch.std_mean(x.double(), dim=0, correction=0)
            self.offset.copy_(mean)
            self.gain.copy_(torch.where(deviation > 1e-6 * mean.abs().clamp(min=1e-6), 1 / deviation, 0.0))
            return
        present = (x != 0).sum(0).clamp(min=1)
        size = (x.double().square().sum(0) / present).sqrt()
        self.offset.zero_()
        self.gain.copy_(torch.where(size > 0, 1 / size, 0.0))

    def forward(self, x: Tensor) -> Tensor:
        if x.layout is not torch.sparse_csr:
            x = (x - self.offset) * self.gain
        for number, layer in enumerate(self.layers[:-1]):
            x = F.dropout(self.norms[number](layer(x)), self.config.dropout, self.training)
        logits: Tensor = self.layers[-1](x)
        return logits


def as_tensor(x: Rows, config: StudentConfig) -> Tensor:
    """NumPy rows as the tensor that a student of this shape reads: sparse only where zeros cost it nothing."""
    if config.binary:
        csr = sp.csr_matrix(x, dtype=np.float32)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
            return torch.sparse_csr_tensor(
                csr.indptr, csr.indices, csr.data, csr.shape, dtype=torch.float32, check_invariants=False
            )
    rows = x.toarray() if is_sparse(x) else x
    return torch.from_numpy(np.ascontiguousarray(rows, dtype=np.float32))
