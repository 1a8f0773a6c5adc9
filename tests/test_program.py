"""What a Program promises: its invariants, its identity, and that it survives the disk or says why not."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from programs import random_inputs, random_program

from kangen.codegen.program import Program, Requantise
from kangen.distill.errors import InputError
from kangen.runtimes import reference


def test_a_program_comes_back_from_disk_unchanged(tmp_path):
    for program in (random_program(), random_program((40, 16, 7), binary=True), random_program((4, 3), 3)):
        program.save(tmp_path / "program.safetensors")
        again = Program.load(tmp_path / "program.safetensors")
        assert again.identity == program.identity
        x = random_inputs(program, 20)
        np.testing.assert_array_equal(reference.run(again, x).scores, reference.run(program, x).scores)


def test_two_saves_are_the_same_bytes(tmp_path):
    for name in "ab":
        random_program().save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_the_identity_changes_with_any_number():
    program = random_program()
    layer = program.layers[0]
    changed = layer.bias.copy()
    changed[0] += 1
    other = dataclasses.replace(program, layers=(dataclasses.replace(layer, bias=changed), *program.layers[1:]))
    assert other.identity != program.identity


@pytest.mark.parametrize("damage", ["truncate", "flip", "empty", "text"])
def test_a_damaged_file_is_refused(tmp_path, damage):
    path = tmp_path / "program.safetensors"
    random_program().save(path)
    content = bytearray(path.read_bytes())
    if damage == "truncate":
        content = content[: len(content) // 2]
    elif damage == "flip":
        content[-100] ^= 1
    else:
        content = bytearray(b"" if damage == "empty" else b"hello")
    path.write_bytes(content)
    with pytest.raises(InputError, match="build it again"):
        Program.load(path)


def test_an_accumulator_that_could_overflow_cannot_be_a_program():
    program = random_program()
    layer = dataclasses.replace(program.layers[0], bias=np.full(6, 2**31 - 1000, np.int32))
    with pytest.raises(ValueError, match="does not fit int32"):
        dataclasses.replace(program, layers=(layer, *program.layers[1:]))


def test_what_the_c_relies_on_is_checked():
    program = random_program()
    first, probability = program.layers[0], program.probability.copy()
    probability[0] = 0  # a sum of weights could be 0, which the C divides by
    wide = dataclasses.replace(first.requantise, multiplier=first.requantise.multiplier.astype(np.int64))
    for changes, message in (
        ({"probability": probability}, r"2\^15"),
        ({"layers": (dataclasses.replace(first, requantise=wide), *program.layers[1:])}, "not int32"),
        ({"input": dataclasses.replace(program.input, offset=program.input.offset.astype(float))}, "not float32"),
    ):
        with pytest.raises(ValueError, match=message):
            dataclasses.replace(program, **changes)
    with pytest.raises(ValueError, match="value table"):
        random_program(harmonics=0)


def test_the_bound_holds_for_the_worst_input():
    """The bound is reached to the unit by an input built against one output's weights."""
    layer = random_program((6, 4), 1, seed=3).layers[0]
    for output in range(layer.outputs):
        reach = np.abs(layer.weights[output].astype(int)) * np.abs(layer.table.astype(int)).max(axis=0)
        assert layer.bounds[output] == reach.sum() + abs(int(layer.bias[output]))
        codes = np.array([[(layer.table.astype(int) @ w).argmax() - 128 for w in layer.weights[output].astype(int)]])
        assert reference.dense(layer, codes.astype(np.int8))[0, output] <= layer.bounds[output]


def rounded_as_gemmlowp_defines(acc: int, multiplier: int, shift: int) -> int:
    """The two roundings in unbounded integers, written from their definition rather than from the reference."""
    product = acc * multiplier
    nudge = 2**30 if product >= 0 else 1 - 2**30
    high = int(abs(product + nudge) // 2**31) * (1 if product + nudge >= 0 else -1)
    quotient, rest = divmod(abs(high), 2**shift)
    return (quotient + (2 * rest >= 2**shift if shift else 0)) * (1 if high >= 0 else -1)


@given(
    st.integers(-(2**31) + 512, 2**31 - 512),
    st.integers(2**30, 2**31 - 1),
    st.integers(0, 31),
    st.integers(-128, 127),
)
def test_requantising_rounds_as_tflite_does(acc, multiplier, shift, zero):
    scale = Requantise(np.array([multiplier], np.int32), np.array([shift], np.int32), zero)
    expected = max(-128, min(127, rounded_as_gemmlowp_defines(acc, multiplier, shift) + zero))
    assert reference.requantise(np.array([acc], np.int32), scale)[0] == expected


@given(st.floats(width=32, allow_nan=False), st.floats(-100, 100, width=32), st.floats(0.5, 100, width=32))
def test_an_input_code_is_the_nearest_one_or_the_end_of_the_range(x, offset, gain):
    program = random_program((1, 2))
    step = dataclasses.replace(
        program.input, offset=np.array([offset], np.float32), doubled_gain=np.array([gain], np.float32)
    )
    codes, saturated = reference.quantise(step, np.array([[x]], np.float32))
    with np.errstate(over="ignore"):
        halves = float((np.float32(x) - step.offset[0]) * step.doubled_gain[0])
    nearest = halves / 2 + step.zero
    if saturated[0]:
        assert nearest <= -128.5 or nearest >= 127.5
        assert codes[0, 0] in (-128, 127)
    else:
        assert abs(codes[0, 0] - nearest) <= 0.5


def test_not_a_number_becomes_the_zero_code_and_is_counted():
    program = random_program((3, 2))
    codes, saturated = reference.quantise(program.input, np.array([[np.nan, np.inf, -np.inf]], np.float32))
    assert codes.tolist() == [[program.input.zero, 127, -128]]
    assert saturated.tolist() == [3]


def test_the_lowest_label_wins_a_tie():
    program = random_program((3, 2))
    layer = dataclasses.replace(
        program.layers[0], weights=np.zeros_like(program.layers[0].weights), bias=np.zeros(2, np.int32)
    )
    tied = dataclasses.replace(program, layers=(layer,))
    assert reference.run(tied, random_inputs(tied, 5)).labels.tolist() == [0] * 5


def test_probabilities_add_up_and_follow_the_logits():
    program = random_program()
    logits = reference.run(program, random_inputs(program, 40)).logits
    share = reference.probabilities(program, logits).astype(int)
    assert (abs(share.sum(axis=1) - 65535) <= program.classes).all()
    assert (share.argmax(axis=1) == logits.argmax(axis=1)).all()
