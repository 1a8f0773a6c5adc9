"""From a trained student to its Program: fold, calibrate, quantise, and fine-tune where int8 costs accuracy."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from kangen.codegen.fold import FoldedLayer, FoldedStudent, fold
from kangen.codegen.program import DenseLayer, InputStep, Layer, Program, Requantise, SparseLayer
from kangen.codegen.quantise import TABLE_SCALE, Range, calibrate, covering, forward, weight_scale
from kangen.distill.data.nodes import Mask, NodeData, Rows
from kangen.distill.errors import InputError
from kangen.distill.student import Student, as_tensor

TOLERATED_LOSS = 0.002  # accuracy on validation nodes that int8 may cost before it is trained away
TOLERATED_CHANGES = 0.005  # share of labels on training and validation nodes that int8 may change before that
CALIBRATION_ROWS = 4096
FINE_TUNE_STEPS = 120
FINE_TUNE_ROWS = 2048


@dataclass(frozen=True)
class Lowered:
    """A Program and how it came to be; accuracies and agreement are of the simulated integers, without test nodes."""

    program: Program
    folded: FoldedStudent
    float_accuracy: float
    int8_accuracy: float
    agreement: float
    finetuned: bool


@dataclass(frozen=True)
class _Attempt:
    folded: FoldedStudent
    ranges: tuple[Range, ...]
    output: Range
    accuracy: float
    agreement: float


def lower(
    student: Student,
    data: NodeData,
    name: str,
    provenance: Mapping[str, str],
    report: Callable[[str], object] = str,
) -> Lowered:
    """The student as integers. Chooses on validation nodes, calibrates on training and validation nodes."""
    student = copy.deepcopy(student).eval()
    known = _rows(data, data.observed & ~data.test)
    rows = data.rows(known)
    inputs = as_tensor(rows, student.config)
    validation = as_tensor(data.rows(data.val), student.config)
    answers = torch.from_numpy(data.y[data.val])
    with torch.no_grad():
        target, target_validation = student(inputs), student(validation)
    if not bool(torch.isfinite(target).all()):
        raise InputError("the student's outputs are not finite; train it again with a lower learning rate")

    def attempt(candidate: Student) -> _Attempt:
        with torch.no_grad():
            folded = fold(candidate)
            ranges = calibrate(folded, inputs)
            logits = forward(folded, inputs, ranges)
            accuracy = _share(forward(folded, validation, ranges).argmax(1), answers)
        output = covering(float(logits.min()), float(logits.max()))
        return _Attempt(folded, ranges, output, accuracy, _share(logits.argmax(1), target.argmax(1)))

    float_accuracy = _share(target_validation.argmax(1), answers)
    report("calibrating")
    best = attempt(student)
    finetuned = False
    if best.accuracy < float_accuracy - TOLERATED_LOSS or best.agreement < 1 - TOLERATED_CHANGES:
        report("fine-tuning for int8")
        tuned = attempt(_fine_tune(student, rows, target, best.ranges))
        if (tuned.accuracy, tuned.agreement) > (best.accuracy, best.agreement):
            best, finetuned = tuned, True
    program = _program(best, data, name, provenance)
    return Lowered(program, best.folded, float_accuracy, best.accuracy, best.agreement, finetuned)


def _fine_tune(student: Student, rows: Rows, target: Tensor, ranges: tuple[Range, ...]) -> Student:
    """Quantisation-aware: the student learns its own float answers again, through the integers' roundings."""
    tuned = copy.deepcopy(student).eval()
    optimiser = torch.optim.Adam(tuned.parameters(), lr=2e-4)
    generator = torch.Generator().manual_seed(0)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, FINE_TUNE_STEPS)
    soft = target.softmax(1)
    for _ in range(FINE_TUNE_STEPS):
        chosen = torch.randperm(len(target), generator=generator)[:FINE_TUNE_ROWS]
        x = as_tensor(rows[chosen.numpy()], student.config)
        loss = F.cross_entropy(forward(fold(tuned), x, ranges), soft[chosen])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return tuned


def _rows(data: NodeData, mask: Mask) -> Mask:
    """The mask itself, or an evenly spread part of it where there are more rows than calibration needs."""
    chosen = np.flatnonzero(mask)
    if len(chosen) > CALIBRATION_ROWS:
        chosen = chosen[np.linspace(0, len(chosen) - 1, CALIBRATION_ROWS).astype(np.int64)]
    thinned = np.zeros(data.nodes, dtype=np.bool_)
    thinned[chosen] = True
    return thinned


def _share(given: Tensor, expected: Tensor) -> float:
    return float((given == expected).double().mean()) if len(expected) else float("nan")


def _program(attempt: _Attempt, data: NodeData, name: str, provenance: Mapping[str, str]) -> Program:
    folded, ranges = attempt.folded, attempt.ranges
    outputs = (*ranges[1:], attempt.output)
    layers = []
    for number, (layer, before, after) in enumerate(zip(folded.layers, ranges, outputs, strict=True)):
        layers.append(_integers(layer, before, after, last=number == len(ranges) - 1))
    first, last = folded.layers[0], folded.layers[-1]
    binary = first.frequency is None
    distance = np.arange(256)
    unit = 1.0 if last.frequency is None else TABLE_SCALE
    return Program(
        name=name,
        input=InputStep(
            offset=folded.offset.numpy().astype(np.float32),
            doubled_gain=(2 * folded.gain / ranges[0].scale).detach().numpy().astype(np.float32),
            zero=ranges[0].zero,
            lowest=0 if binary else -128,
            highest=1 if binary else 127,
            names=data.feature_names,
        ),
        layers=tuple(layers),
        class_names=data.class_names,
        code_scales=tuple(limits.scale for limits in ranges),
        score_scale=float(weight_scale(last.weights, common=True)[0]) / unit,
        logit_scale=attempt.output.scale,
        probability=np.rint(2**15 * np.exp(-attempt.output.scale * distance)).astype(np.uint16),
        provenance=dict(provenance),
    )


def _integers(layer: FoldedLayer, before: Range, after: Range, *, last: bool) -> Layer:
    weights = layer.weights.detach()
    step = weight_scale(weights, common=last)  # [outputs]
    codes = torch.round(weights / step[:, None, None]).numpy().astype(np.int8)
    unit = step.numpy().astype(np.float64) / (1.0 if layer.frequency is None else TABLE_SCALE)
    bias = np.rint(layer.bias.detach().numpy().astype(np.float64) / unit)
    if np.abs(bias).max() >= 2**30:
        raise InputError("an output's bias is far larger than its weights; train the student again with weight decay")
    scale = _requantise(unit / after.scale, after.zero)
    if layer.frequency is None:
        return SparseLayer(np.ascontiguousarray(codes[:, :, 0].T), bias.astype(np.int32), scale)
    positions = before.scale * (np.arange(-128, 128) - before.zero)
    angle = positions[:, None] * layer.frequency.detach().numpy().astype(np.float64)
    table = np.stack((np.cos(angle), np.sin(angle)), axis=-1).reshape(256, -1)
    return DenseLayer(np.rint(TABLE_SCALE * table).astype(np.int8), codes, bias.astype(np.int32), scale)


def _requantise(ratio: np.ndarray[tuple[int], np.dtype[np.float64]], zero: int) -> Requantise:
    """Each positive ratio as a Q31 multiplier in [1/2, 1) and a right shift."""
    mantissa, exponent = np.frexp(ratio)
    multiplier = np.rint(mantissa * 2**31).astype(np.int64)
    carried = multiplier == 2**31
    multiplier = np.where(carried, 2**30, multiplier)
    shift = -(exponent + carried)
    if shift.min() < 0 or shift.max() > 31:
        raise InputError("an output's range does not suit its weights; train the student again with weight decay")
    return Requantise(multiplier.astype(np.int32), shift.astype(np.int32), zero)
