"""Edge functions as they are drawn are the functions that the integers compute."""

from __future__ import annotations

import numpy as np
import pytest
from programs import random_program
from toys import toy_data, toy_student

from kangen.codegen.lower import Lowered, lower
from kangen.codegen.program import DenseLayer
from kangen.edges import CODES, fitted_frequency, input_zero, output_unit, strongest_edges
from kangen.inspection import byte_breakdown, inspection
from kangen.pictures import STAND_INS, edges_png, edges_svg
from kangen.runtimes import reference
from kangen.samples import FloatEdges, Samples


@pytest.fixture(scope="module")
def lowered() -> Lowered:
    data = toy_data()
    return lower(toy_student(data), data, "toy", {})


@pytest.fixture(scope="module")
def samples(lowered: Lowered) -> Samples:
    data = toy_data()
    edges = {
        n: FloatEdges(layer.weights.detach().numpy(), layer.frequency.detach().numpy())
        for n, layer in enumerate(lowered.folded.layers)
        if layer.frequency is not None
    }
    labels = data.y.astype(np.int32)
    return Samples(lowered.program.identity, np.asarray(data.x), labels, labels, data.test, edges)


def test_an_edge_is_what_the_accumulator_does_when_that_input_alone_moves(lowered: Lowered) -> None:
    program = lowered.program
    layer = program.layers[0]
    unit = output_unit(program, 0)
    for edge in strongest_edges(program, 6)[0].strongest:
        i, j = program.input.names.index(edge.source), int(edge.target.split()[1])
        codes = np.full((256, layer.inputs), 5, np.int8)
        codes[:, i] = CODES
        moved = reference.accumulate(layer, codes)[:, j] * unit[j]
        assert np.allclose(moved - moved[0], edge.quantised - edge.quantised[0])


def test_the_float_curve_lies_beside_the_integers(lowered: Lowered, samples: Samples) -> None:
    for kept in (samples, None):
        for layer in strongest_edges(lowered.program, 12, kept):
            for edge in layer.strongest:
                height = np.ptp(edge.quantised)
                assert np.abs(edge.smooth - edge.quantised).max() < 0.05 * height


def test_frequencies_are_found_again_in_the_table(lowered: Lowered) -> None:
    for number, layer in enumerate(lowered.program.layers):
        assert isinstance(layer, DenseLayer)
        positions = lowered.program.code_scales[number] * (CODES - input_zero(lowered.program, number)).astype(float)
        true = lowered.folded.layers[number].frequency
        assert true is not None
        assert np.allclose(fitted_frequency(layer, positions), true.detach().numpy(), rtol=1e-2)


def test_the_strongest_edge_is_the_one_that_was_made_strong() -> None:
    program = random_program((5, 6, 3))
    layer = program.layers[0]
    assert isinstance(layer, DenseLayer)
    layer.weights[:] = layer.weights // 16
    layer.weights[4, 2] = 127
    layer.requantise.multiplier[:] = 2**30
    first = strongest_edges(program, 1)[0].strongest[0]
    assert (first.source, first.target) == ("input 2", "hidden 4")


def test_a_layer_of_words_is_a_map() -> None:
    program = random_program((40, 6, 3), binary=True)
    first, second = strongest_edges(program, 8)
    assert first.map is not None
    assert first.map.adds.shape == (16, 6)
    assert second.map is None
    assert len(second.strongest) == 8
    word = int(first.map.words[0].split()[1])
    assert np.allclose(first.map.adds[0], program.layers[0].rows[word] * output_unit(program, 0))  # type: ignore[union-attr]


@pytest.mark.parametrize("binary", [False, True])
def test_pictures_are_the_same_bytes_every_time(binary: bool) -> None:
    program = random_program((20, 6, 3), binary=binary)
    layers = strongest_edges(program, 5)
    drawn = [edges_svg(layer) for layer in layers]
    assert drawn == [edges_svg(layer) for layer in layers]
    for colour in vars(STAND_INS).values():
        assert all(colour not in picture for picture in drawn)
    assert "var(--ink)" in drawn[0]
    assert edges_png(layers) == edges_png(layers)


def test_the_layer_table_names_bytes_and_bounds() -> None:
    program = random_program((5, 6, 3), harmonics=2)
    facts = inspection(program).layers
    assert [layer.macs for layer in facts] == [5 * 6 * 4, 6 * 3 * 4]
    assert all(layer.bound == int(program.layers[layer.number].bounds.max()) for layer in facts)
    assert sum(byte_breakdown(program).values()) >= sum(layer.macs for layer in facts)
