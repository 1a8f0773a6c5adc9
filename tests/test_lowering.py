"""Folding changes nothing, and the integers compute what the float student computes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from toys import toy_data, toy_student

from kangen.codegen import lower as lowering
from kangen.codegen.fold import fold
from kangen.codegen.lower import lower
from kangen.codegen.program import DenseLayer, SparseLayer
from kangen.codegen.quantise import Range, calibrate, covering, forward
from kangen.distill.student import FRKANLayer, as_tensor
from kangen.runtimes import reference

SHAPES = [(False, (16,)), (False, ()), (False, (12, 8)), (True, (16,)), (True, ()), (True, (12, 8))]


@pytest.fixture(params=SHAPES, ids=lambda shape: f"{'binary' if shape[0] else 'real'}-{shape[1]}")
def trained(request):
    binary, hidden = request.param
    data = toy_data(binary=binary)
    return data, toy_student(data, hidden)


def test_folding_keeps_the_logits(trained):
    data, student = trained
    x = as_tensor(data.x, student.config)
    with torch.no_grad():
        # Phases and scales start at 0 and 1; folding must be right for any.
        for layer in student.layers:
            layer.phase.normal_()
            layer.scale.uniform_(-2, 2)
        folded = forward(fold(student), x, (None,) * len(student.layers))
        torch.testing.assert_close(folded, student(x), atol=2e-4, rtol=1e-4)


def test_the_program_agrees_with_the_float_student(trained):
    data, student = trained
    lowered = lower(student, data, "toy", {})
    outputs = reference.run(lowered.program, data.x)
    with torch.no_grad():
        logits = student(as_tensor(data.x, student.config))
    best = logits.topk(2, dim=1).values
    margin = (best[:, 0] - best[:, 1]).numpy()
    changed = outputs.labels != logits.argmax(1).numpy()
    assert changed.mean() < 0.02
    assert (margin[changed] < 0.1 * np.median(margin)).all()
    scale = float(logits.std())
    scores = outputs.scores * lowered.program.score_scale
    assert np.abs(scores - logits.numpy()).mean() < 0.03 * scale
    zero = lowered.program.layers[-1].requantise.zero
    codes = (outputs.logits.astype(np.float64) - zero) * lowered.program.logit_scale
    assert np.abs(codes - scores).mean() < lowered.program.logit_scale


def test_the_simulation_equals_the_reference_but_for_ties(trained):
    data, student = trained
    lowered = lower(student, data, "toy", {})
    ranges = calibrate(lowered.folded, as_tensor(data.x[data.train | data.val], student.config))
    with torch.no_grad():
        simulated = forward(lowered.folded, as_tensor(data.x, student.config), ranges).argmax(1).numpy()
    assert (simulated == reference.run(lowered.program, data.x).labels).mean() > 0.99


def test_readings_far_outside_get_the_same_labels_from_int8_as_from_float():
    """A sensor of an unseen person may leave the range of the calibration: both students then hold the end value."""
    data = toy_data()
    student = toy_student(data)
    program = lower(student, data, "toy", {}).program
    x = data.x.copy()
    x[:, ::3] += 40 * data.x[:, ::3].std(axis=0)
    with torch.no_grad():
        labels = student(as_tensor(x, student.config)).argmax(1).numpy()
    outputs = reference.run(program, x)
    assert (outputs.saturated >= 4).all()
    assert (outputs.labels == labels).mean() > 0.97


def test_binary_inputs_get_the_sparse_kernel_and_others_the_dense_one():
    binary, real = toy_data(binary=True), toy_data()
    assert isinstance(lower(toy_student(binary), binary, "toy", {}).program.layers[0], SparseLayer)
    assert isinstance(lower(toy_student(real), real, "toy", {}).program.layers[0], DenseLayer)


def test_lowering_twice_gives_the_same_identity():
    data = toy_data()
    student = toy_student(data)
    assert lower(student, data, "toy", {}).program.identity == lower(student, data, "toy", {}).program.identity


def test_test_nodes_never_touch_the_program():
    data = toy_data()
    student = toy_student(data)
    first = lower(student, data, "toy", {}).program.identity
    data.x[data.test] *= 100
    data.y[data.test] = 0
    assert lower(student, data, "toy", {}).program.identity == first


def test_an_int8_loss_is_trained_away(monkeypatch):
    """With a range far too wide the first attempt is poor; fine-tuning must be tried, and kept only if better."""
    data = toy_data()
    student = toy_student(data, hidden=(6,), harmonics=2)
    monkeypatch.setattr(lowering, "calibrate", lambda folded, x: (covering(-40.0, 40.0),) * 2)
    monkeypatch.setattr(lowering, "FINE_TUNE_STEPS", 0)
    untuned = lower(student, data, "toy", {})
    monkeypatch.setattr(lowering, "FINE_TUNE_STEPS", 120)
    tuned = lower(student, data, "toy", {})
    assert untuned.agreement < 0.99
    assert tuned.finetuned
    assert (tuned.int8_accuracy, tuned.agreement) > (untuned.int8_accuracy, untuned.agreement)


def test_a_vanished_output_and_a_constant_feature_survive():
    data = toy_data()
    data.x[:, 3] = 7.0
    student = toy_student(data)
    with torch.no_grad():
        student.layers[0].amplitude[2] = 0
    program = lower(student, data, "toy", {}).program
    assert program.input.doubled_gain[3] == 0
    assert (reference.run(program, data.x).codes[:, 3] == program.input.zero).all()


@pytest.mark.parametrize(("low", "high"), [(-3.0, 5.0), (1.0, 9.0), (-9.0, -1.0), (0.0, 0.0)])
def test_a_range_always_holds_zero_exactly(low, high):
    limits = covering(low, high)
    assert -128 <= limits.zero <= 127
    assert float(limits.codes(torch.tensor(0.0))) == limits.zero


def test_codes_round_and_saturate():
    limits = Range(0.5, 10)
    codes = limits.codes(torch.tensor([-1000.0, -0.6, 0.0, 0.6, 1000.0]))
    assert codes.tolist() == [-128, 9, 10, 11, 127]


def test_a_layer_keeps_the_variance_of_its_inputs_scale():
    torch.manual_seed(1)
    layer = FRKANLayer(200, 64, 4, 0.5)
    with torch.no_grad():
        outputs = layer(torch.randn(500, 200))
    assert 0.5 < float(outputs.std()) < 1.5
