"""The smartwatch data: what a window is, who is tested, and that nothing unknown is unpickled."""

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path

import numpy as np
import pytest

from kangen.distill.data import splits, watch
from kangen.distill.data.neighbours import in_feature_space, in_time, undirected
from kangen.distill.data.registry import describe, load
from kangen.distill.errors import InputError

try:
    importlib.metadata.version(watch.PACKAGE)
    installed = True
except importlib.metadata.PackageNotFoundError:
    installed = False
recorded = pytest.mark.skipif(not installed, reason="seglearn is not installed: pip install 'kangen[demo]'")


def sway(samples: int = watch.WINDOW) -> np.ndarray:
    """One window in which axis 0 swings twice, axis 1 follows it upside down, and the others stand still."""
    time = np.arange(samples) / samples
    window = np.zeros((1, samples, 6))
    window[0, :, 0] = 0.5 + np.sin(4 * np.pi * (time + 0.003))
    window[0, :, 1] = -window[0, :, 0]
    window[0, :, 5] = 2.0
    return window


def column(name: str) -> float:
    return float(watch.statistics(sway())[0, watch.feature_names().index(name)])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("acc x mean [g]", 0.5),
        ("acc x deviation [g]", 0.5**0.5),
        ("acc x minimum [g]", -0.5),
        ("acc x maximum [g]", 1.5),
        ("acc x lower quartile [g]", 0.5 - 0.5**0.5),
        ("acc x upper quartile [g]", 0.5 + 0.5**0.5),
        ("acc x mean step [g]", 8 / 99),
        ("acc x crossings [per window]", 3),
        ("acc x-y correlation [1]", -1.0),
        ("acc x-z correlation [1]", 0.0),  # an axis that stands still correlates with nothing
        ("gyro z mean [rad/s]", 2.0),
        ("gyro z crossings [per window]", 0),
        ("gyro length mean [rad/s]", 2.0),
        ("gyro length deviation [rad/s]", 0.0),
    ],
)
def test_a_statistic_is_what_its_name_says(name: str, value: float) -> None:
    assert column(name) == pytest.approx(value, abs=0.05)


def test_there_are_57_statistics_each_with_a_name_of_its_own_and_a_unit() -> None:
    names = watch.feature_names()
    assert watch.statistics(sway()).shape == (1, 57)
    assert len(set(names)) == 57
    assert all(name.endswith("]") for name in names)


@recorded
def test_the_recordings_give_4677_windows_of_ten_people_and_seven_exercises() -> None:
    data = load("watch")
    assert data.x.shape == (4677, 57)
    assert data.x.dtype == np.float32
    assert np.isfinite(data.x).all()
    assert data.classes == 7
    assert np.array_equal(np.unique(data.groups), np.arange(1, 11))
    assert data.standardise
    assert not data.binary


@recorded
def test_windows_are_tied_to_the_next_two_of_their_recording_and_to_nothing_else() -> None:
    data = load("watch")
    source, target = data.edge_index
    assert set(np.abs(source - target)) == {1, 2}
    assert np.array_equal(data.y[source], data.y[target])
    assert np.array_equal(data.groups[source], data.groups[target])
    assert data.edge_index.shape[1] == 2 * (2 * data.nodes - 3 * 140)  # 140 recordings


@recorded
def test_every_person_is_tested_in_one_fold_and_never_observed_in_it() -> None:
    tested = []
    for fold in range(5):
        data = load("watch", fold=fold)
        people = np.unique(data.groups[data.test])
        assert len(people) == 2
        assert np.array_equal(data.test, np.isin(data.groups, people))
        assert not (data.observed & data.test).any()
        tested.extend(people)
    assert sorted(tested) == list(range(1, 11))


@recorded
def test_twenty_windows_a_class_teach_and_thirty_others_validate() -> None:
    data = load("watch", seed=3)
    assert np.array_equal(np.bincount(data.y[data.train]), [20] * 7)
    assert np.array_equal(np.bincount(data.y[data.val]), [30] * 7)
    assert not (data.train & data.val).any()
    assert (data.observed | ~(data.train | data.val)).all()
    assert load("watch", labels=5).train.sum() == 35


@recorded
def test_the_seed_draws_the_labels_and_leaves_the_people_alone() -> None:
    one, same, other = load("watch", seed=1), load("watch", seed=1), load("watch", seed=2)
    assert np.array_equal(one.train, same.train)
    assert np.array_equal(one.val, same.val)
    assert not np.array_equal(one.train, other.train)
    assert np.array_equal(one.test, other.test)


@recorded
def test_validation_by_a_held_out_person_takes_that_person_out_of_training() -> None:
    data = watch.load(seed=0, fold=0, labels=20, validation="group")
    (chooser,) = np.unique(data.groups[data.val])
    assert not data.observed[data.groups == chooser].any()
    assert len(np.unique(data.groups[data.observed])) == 7
    assert data.train.sum() == 140
    assert data.val.sum() == 210


@recorded
def test_neighbours_in_feature_space_are_added_to_those_in_time() -> None:
    time, both = watch.load(seed=0, fold=0, labels=20), watch.load(seed=0, fold=0, labels=20, k=3)
    assert both.edge_index.shape[1] > time.edge_index.shape[1] + 3 * both.nodes // 2
    pairs = set(map(tuple, both.edge_index.T.tolist()))
    assert pairs >= set(map(tuple, time.edge_index.T.tolist()))


@recorded
def test_the_package_is_read_and_never_imported() -> None:
    load("watch")
    assert "seglearn" not in sys.modules


@recorded
def test_provenance_says_what_was_asked_and_names_no_path() -> None:
    told = load("watch", fold=2, seed=7).provenance
    assert watch.SHA256 in told["source"]
    assert "fold 2" in told["split"]
    assert "seed 7" in told["split"]
    assert not any("/" in value for value in told.values())


@recorded
def test_the_left_arm_is_mirrored_onto_the_right() -> None:
    data = load("watch")
    recordings = watch._recordings()
    counts = [len(watch._windows(signal)) for signal in recordings["X"]]
    right = np.repeat(np.asarray(recordings["side"]), counts) == 1
    gravity = data.x[:, data.feature_names.index("acc x mean [g]")]
    for exercise in ("pendulum", "internal rotation", "trapezius extension"):
        members = data.y == data.class_names.index(exercise)
        left_mean, right_mean = gravity[members & ~right].mean(), gravity[members & right].mean()
        assert abs(left_mean - right_mean) < 0.2 + 0.2 * abs(right_mean)


def test_a_missing_package_is_one_line_with_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "distribution", missing)
    with pytest.raises(InputError, match=r"pip install 'kangen\[demo\]'"):
        load("watch")


def test_a_file_of_another_hash_is_not_unpickled(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    trap = tmp_path / "watch_dataset.npy"
    np.save(trap, np.array({"X": []}, dtype=object), allow_pickle=True)
    monkeypatch.setattr(watch, "_find", lambda: trap)
    monkeypatch.setattr(np, "load", lambda *_, **__: pytest.fail("unpickled"))
    with pytest.raises(InputError, match="not opened; reinstall"):
        load("watch")


def test_a_fold_that_does_not_exist_is_refused() -> None:
    groups = np.repeat(np.arange(10), 6)
    with pytest.raises(InputError, match="no fold 5: choose from 0 to 4"):
        splits.by_group(np.tile([0, 1], 30), groups, fold=5, labels=2, seed=0)


def test_no_labels_at_all_are_refused() -> None:
    with pytest.raises(InputError, match="ask for 1 or more"):
        splits.by_budget(np.tile([0, 1], 30), labels=0, seed=0)


def test_a_small_class_is_shared_between_teaching_validating_and_testing() -> None:
    y = np.repeat([0, 1], [100, 4])
    split = splits.by_budget(y, labels=20, seed=0)
    parts = [int((mask & (y == 1)).sum()) for mask in (split.train, split.val, split.test)]
    assert parts == [2, 1, 1]


def test_the_inductive_setting_hides_a_fifth_of_the_test_nodes_and_tests_only_these() -> None:
    split = splits.by_budget(np.tile([0, 1], 300), labels=20, seed=0)
    hidden = splits.hide(split, seed=0)
    assert hidden.test.sum() == round(0.2 * split.test.sum())
    assert (split.test | ~hidden.test).all()
    assert np.array_equal(hidden.observed, ~hidden.test)


def test_edges_run_both_ways_once_and_never_from_a_node_to_itself() -> None:
    edges = undirected(np.array([0, 1, 2, 2, 2]), np.array([1, 0, 2, 0, 0]), 3)
    assert edges.tolist() == [[0, 0, 1, 2], [1, 2, 0, 0]]


def test_neighbours_in_time_stop_at_the_end_of_a_recording() -> None:
    edges = in_time(np.array([0, 0, 0, 0, 1]), reach=2)
    forward = {(int(a), int(b)) for a, b in edges.T if a < b}
    assert forward == {(0, 1), (0, 2), (1, 2), (1, 3), (2, 3)}


def test_neighbours_of_observed_nodes_do_not_depend_on_nodes_that_are_hidden() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 5)).astype(np.float32)
    observed = np.arange(60) < 40
    whole = in_feature_space(x, 4, observed)
    within = whole[:, (whole < 40).all(axis=0)]
    alone = in_feature_space(x[:40], 4, np.ones(40, bool))
    assert np.array_equal(within, alone)
    assert np.isin(np.arange(40, 60), whole[0]).all()


def test_every_data_set_is_described_without_torch() -> None:
    from subprocess import run

    code = "import sys; from kangen.distill.data.registry import describe; describe(); sys.exit('torch' in sys.modules)"
    assert run([sys.executable, "-c", code], check=False).returncode == 0
    names = [info.name for info in describe()]
    assert names == ["watch", "cora", "citeseer", "pubmed", "photo", "computers", "cs", "physics"]


@recorded
def test_the_description_of_watch_is_true() -> None:
    told, data = describe()[0], load("watch")
    assert (told.nodes, told.edges) == (data.nodes, data.edge_index.shape[1])
    assert (told.features, told.classes) == (data.features, data.classes)
