"""The generated C computes the reference's bytes: every shape, every compiler on this machine, every level."""

from __future__ import annotations

import ctypes
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from compiled import HOST_COMPILERS, Model, check, write
from programs import random_inputs, random_program

from kangen.codegen.program import Requantise
from kangen.runtimes import reference

ANY = next(iter(HOST_COMPILERS.values()), [])
pytestmark = pytest.mark.skipif(not HOST_COMPILERS, reason="no C compiler on this machine")

SHAPES = {
    "one layer": random_program((5, 3), 2),
    "two layers": random_program((57, 32, 7), 4),
    "three layers": random_program((6, 9, 5, 4), 3),
    "four layers, buffers used twice": random_program((4, 10, 3, 8, 5), 1),
    "one input": random_program((1, 4, 2), 1),
    "one output a layer": random_program((3, 1, 2), 1),
    "rows of more words than are unrolled": random_program((3, 5, 2), 11),
    "sparse first layer": random_program((37, 6, 3), 2, binary=True),
    "sparse, nothing else": random_program((21, 5), 1, binary=True),
    "sparse, one input": random_program((1, 4), 1, binary=True),
    **{
        f"{outputs} outputs, {k} harmonics": random_program((4, outputs, 2), k)
        for outputs in range(1, 10)
        for k in (1, 3)
    },
}


def assert_equal(model: Model, rows: int = 40) -> None:
    program = model.program
    x = random_inputs(program, rows)
    expected = reference.run(program, x)
    probabilities = reference.probabilities(program, expected.logits)
    for n in range(rows):
        codes, saturated = model.quantise(x[n])
        np.testing.assert_array_equal(codes, expected.codes[n])
        assert saturated == expected.saturated[n]
        scores, label = model.scores(codes)
        np.testing.assert_array_equal(scores, expected.scores[n])
        assert label == model.predict(x[n]) == model.predict_q(codes) == expected.labels[n]
        logits = model.logits(scores)
        np.testing.assert_array_equal(logits, expected.logits[n])
        np.testing.assert_array_equal(model.probabilities(logits), probabilities[n])


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape(shape: str, tmp_path: Path) -> None:
    assert_equal(Model(SHAPES[shape], tmp_path, ANY, "-O1"))


@pytest.mark.parametrize("level", ["-O0", "-O2", "-Os"])
@pytest.mark.parametrize("compiler", HOST_COMPILERS)
def test_every_compiler_and_level(compiler: str, level: str, tmp_path: Path) -> None:
    if compiler == "zig cc" and level != "-O2":
        pytest.skip("one level of the slowest compiler is enough here: kangen verify runs them all")
    assert_equal(Model(SHAPES["two layers"], tmp_path, HOST_COMPILERS[compiler], level))


@pytest.mark.parametrize("target", ["cortex-m0plus", "cortex-m4", "host"])
def test_every_kind_of_target_has_the_same_bytes(target: str, tmp_path: Path) -> None:
    assert_equal(Model(SHAPES["three layers"], tmp_path, ANY, "-O2", target))


def test_the_narrow_multiply_has_the_bytes_of_the_wide_one(tmp_path: Path) -> None:
    """Every shift, both signs, the ends of int32 that a Program may reach, and random values in between."""
    outputs = 32
    rng = np.random.default_rng(3)
    multiplier = rng.integers(2**30, 2**31, outputs, dtype=np.int64)
    multiplier[:4] = [2**30, 2**31 - 1, 2**30 + 1, 2**31 - 65536]
    scale = Requantise(multiplier.astype(np.int32), np.arange(outputs, dtype=np.int32), -3)
    program = random_program((2, outputs), 1)
    program = replace(program, layers=(replace(program.layers[0], requantise=scale),))
    limit = 2**31 - 1 - 256
    scores = (rng.integers(-limit, limit, (400, outputs)) >> rng.integers(0, 31, (400, outputs))).astype(np.int32)
    scores[0], scores[1], scores[2] = limit, -limit, 0
    expected = reference.requantise(scores, scale)
    for target in ("cortex-m0plus", "host"):
        folder = tmp_path / target
        folder.mkdir()
        model = Model(program, folder, ANY, "-O2", target)
        np.testing.assert_array_equal(np.stack([model.logits(row) for row in scores]), expected)


def test_codes_round_half_away_from_zero_and_saturate_by_the_rule(tmp_path: Path) -> None:
    """Every half unit, and the floats on both sides of each."""
    base = random_program((1, 2), 1)
    step = replace(base.input, offset=np.zeros(1, np.float32), doubled_gain=np.full(1, 2, np.float32))
    model = Model(replace(base, input=step), tmp_path, ANY, "-O2")
    halves = np.arange(-300, 301, dtype=np.float32) / 2
    x = np.concatenate([halves, np.nextafter(halves, np.float32(-1e9)), np.nextafter(halves, np.float32(1e9))])[:, None]
    codes, saturated = reference.quantise(step, x)
    for row, code, count in zip(x, codes, saturated, strict=True):
        given, counted = model.quantise(np.ascontiguousarray(row))
        assert (given[0], counted) == (code[0], count), row
    assert (codes.min(), codes.max()) == (-128, 127)
    assert 0 < saturated.sum() < len(x)


@pytest.mark.parametrize("shift", range(4))
def test_sparse_codes_may_lie_at_any_address(shift: int, tmp_path: Path) -> None:
    program = SHAPES["sparse first layer"]
    model = Model(program, tmp_path, ANY, "-O2")
    codes = reference.run(program, random_inputs(program, 10)).codes
    room = np.zeros(program.inputs + 8, np.int8)
    start = -room.ctypes.data % 4 + shift
    for row in codes:
        room[:] = 1  # what lies around the codes must not count
        room[start : start + program.inputs] = row
        scores, _ = model.scores(room[start : start + program.inputs])
        np.testing.assert_array_equal(scores, reference.run_codes(program, row[None])[0][0])


@pytest.mark.parametrize("shape", ["sparse first layer", "sparse, nothing else", "three layers"])
def test_any_int8_is_a_code(shape: str, tmp_path: Path) -> None:
    """Also one that quantising never gives: a sparse layer counts whatever is not 0 as 1."""
    program = SHAPES[shape]
    model = Model(program, tmp_path, ANY, "-O2")
    rng = np.random.default_rng(5)
    codes = rng.integers(-128, 128, (20, program.inputs)).astype(np.int8) * rng.integers(
        0, 2, (20, program.inputs), np.int8
    )
    expected, _, labels = reference.run_codes(program, codes)
    for row, scores, label in zip(codes, expected, labels, strict=True):
        given, chosen = model.scores(row)
        np.testing.assert_array_equal(given, scores)
        assert chosen == label
    if shape != "three layers":
        np.testing.assert_array_equal(reference.run_codes(program, (codes != 0).astype(np.int8))[0], expected)


def test_ties_go_to_the_lowest_label(tmp_path: Path) -> None:
    base = random_program((2, 4), 1)
    layer = replace(base.layers[0], weights=np.zeros((4, 2, 2), np.int8), bias=np.array([1, 5, 5, 5], np.int32))
    model = Model(replace(base, layers=(layer,)), tmp_path, ANY, "-O2")
    assert model.predict_q(np.zeros(2, np.int8)) == 1


def test_class_names_come_back_as_they_were_given(tmp_path: Path) -> None:
    names = ('say "no"', "back\\slash", "??/ trigraph", "*/ end /* begin", "zwölf °", "two\nlines\t7")
    program = replace(random_program((2, 6), 1), class_names=names)
    model = Model(program, tmp_path, ANY, "-O2")
    table = (ctypes.c_char_p * 6).in_dll(model.library, "probe_class_names")
    assert tuple(text.decode() for text in table) == names


def test_the_self_test_passes_and_finds_a_flipped_weight(tmp_path: Path) -> None:
    files = write(SHAPES["two layers"], tmp_path)
    check([*ANY, "probe.c", "main.c", "-o", "good"], tmp_path)
    check(["./good"], tmp_path)
    before, mark, after = files["probe.c"].partition("/* outputs 0..3 */\n    ")
    (tmp_path / "probe.c").write_text(f"{before}{mark}77{after[after.index(',') :]}")
    check([*ANY, "probe.c", "main.c", "-o", "bad"], tmp_path)
    with pytest.raises(AssertionError):
        check(["./bad"], tmp_path)


def test_files_of_two_builds_do_not_compile_together(tmp_path: Path) -> None:
    write(random_program((5, 3), 2), tmp_path)
    header = (tmp_path / "probe.h").read_bytes()
    write(random_program((5, 3), 2, seed=1), tmp_path)
    (tmp_path / "probe.h").write_bytes(header)
    for file in ("probe.c", "main.c"):
        with pytest.raises(AssertionError, match="different builds"):
            check([*ANY, "-c", file], tmp_path)


def test_two_models_live_in_one_firmware(tmp_path: Path) -> None:
    for name in ("left", "right"):
        write(random_program((3, 2), 1, name=name), tmp_path)
    both = '#include "left_golden.h"\n#include "right_golden.h"\n#include "left.c"\n#include "right.c"\n'
    (tmp_path / "both.c").write_text(both + "int main(void) { return left_self_test() + right_self_test(); }\n")
    check([*ANY, "both.c", "-o", "both"], tmp_path)
    check(["./both"], tmp_path)
