"""A user's own data: what is read from an .npz or a .csv, and one clear line for everything that can be wrong."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kangen.distill.data.nodes import NodeData
from kangen.distill.data.registry import load
from kangen.distill.errors import InputError

ROWS = 120


def blobs(rows: int = ROWS, classes: int = 3) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    y = np.arange(rows) % classes
    return {"x": (rng.normal(size=(rows, 4)) + y[:, None]).astype(np.float32), "y": y}


@pytest.fixture
def npz(tmp_path: Path) -> Callable[..., str]:
    """Saves arrays, changed as a test says; None leaves an array out."""

    def save(**changed: Any) -> str:
        arrays = {name: array for name, array in (blobs() | changed).items() if array is not None}
        np.savez(tmp_path / "mine.npz", **arrays)
        return str(tmp_path / "mine.npz")

    return save


@pytest.fixture
def table(tmp_path: Path) -> Callable[..., str]:
    """Saves a table of 40 rows; ``at`` replaces one line of it (0 is the header)."""

    def save(at: dict[int, str] | None = None, separator: str = ",", end: str = "\n") -> str:
        rng = np.random.default_rng(0)
        lines = [separator.join(("speed", "load", "fan", "label"))]
        for row in range(40):
            cells = [f"{value:.4f}" for value in rng.normal(size=3) + row % 2]
            lines.append(separator.join((*cells, ("idle", "busy")[row % 2])))
        for number, line in (at or {}).items():
            lines[number] = line
        (tmp_path / "mine.csv").write_bytes((end.join(lines) + end).encode())
        return str(tmp_path / "mine.csv")

    return save


def problem(path: str, **request_: Any) -> str:
    """The one line that a user sees."""
    with pytest.raises(InputError) as failure:
        load(path, **request_)
    text = str(failure.value)
    assert "\n" not in text
    assert Path(path).name in text
    return text


# --- what is read -----------------------------------------------------------------------------------------------------


def test_arrays_become_nodes_with_a_graph_of_nearest_neighbours(npz: Callable[..., str]) -> None:
    data = load(npz(), labels=10)
    assert (data.name, data.nodes, data.features, data.classes) == ("mine", ROWS, 4, 3)
    assert data.standardise
    assert np.array_equal(np.bincount(data.y[data.train]), [10] * 3)
    assert not (data.train & data.val).any()
    assert np.array_equal(data.test, ~data.train & ~data.val)
    source, target = data.edge_index
    degree = np.bincount(source, minlength=ROWS)
    assert degree.min() >= 8  # its own eight, and those whose neighbour it is
    assert (data.y[source] == data.y[target]).mean() > 0.5


def test_given_edges_are_used_in_both_directions_without_self_loops(npz: Callable[..., str]) -> None:
    data = load(npz(edge_index=np.array([[0, 1, 5], [1, 2, 5]])))
    assert data.edge_index.tolist() == [[0, 1, 1, 2], [1, 0, 2, 1]]


def test_given_masks_are_the_split(npz: Callable[..., str]) -> None:
    part = np.arange(ROWS) // 40
    data = load(npz(train=part == 0, val=part == 1, test=(part == 2).astype(np.uint8)))
    assert np.array_equal(data.train, part == 0)
    assert np.array_equal(data.val, part == 1)
    assert np.array_equal(data.test, part == 2)


def test_names_and_text_labels_are_taken(npz: Callable[..., str]) -> None:
    names = np.array(["walk", "run", "rest"])
    data = load(npz(y=names[blobs()["y"]], class_names=names, feature_names=np.array(list("abcd"))))
    assert data.class_names == ("walk", "run", "rest")
    assert data.feature_names == ("a", "b", "c", "d")
    assert np.array_equal(data.y, blobs()["y"])


def test_numbers_with_gaps_become_classes_named_after_them(npz: Callable[..., str]) -> None:
    data = load(npz(y=np.array([2, 10, 5])[blobs()["y"]]))
    assert data.class_names == ("class 2", "class 5", "class 10")
    assert data.y[:3].tolist() == [0, 2, 1]


def test_unknown_labels_are_observed_and_in_no_part_of_the_split(npz: Callable[..., str]) -> None:
    y = blobs()["y"].copy()
    y[60:] = -1
    data = load(npz(y=y))
    assert data.classes == 3
    assert data.observed.all()
    assert not (data.train | data.val | data.test)[60:].any()


def test_words_of_0_and_1_stay_words(npz: Callable[..., str]) -> None:
    words = (np.random.default_rng(0).random((ROWS, 30)) < 0.2).astype(np.uint8)
    data = load(npz(x=words))
    assert data.sparse
    assert data.binary
    assert not data.standardise


def test_groups_are_tested_unseen(npz: Callable[..., str]) -> None:
    who = np.array(["ann", "bob", "cid", "dee", "eve", "fay"])[np.arange(ROWS) // 20]
    tested = []
    for fold in range(5):
        data = load(npz(groups=who), labels=5, fold=fold)
        assert np.array_equal(data.observed, ~data.test)
        tested.extend(np.unique(who[data.test]))
    assert sorted(tested) == sorted(set(who))


def test_inductive_hides_rows(npz: Callable[..., str]) -> None:
    data = load(npz(), inductive=True)
    assert np.array_equal(data.observed, ~data.test)
    assert 0 < data.test.sum() < 20


@pytest.mark.parametrize(("separator", "end"), [(",", "\n"), (";", "\r\n"), ("\t", "\n")])
def test_a_table_is_read_with_its_own_separator_and_line_ends(
    table: Callable[..., str], separator: str, end: str
) -> None:
    data = load(table(separator=separator, end=end))
    assert data.feature_names == ("speed", "load", "fan")
    assert data.class_names == ("busy", "idle")
    assert np.array_equal(data.y, 1 - np.arange(40) % 2)


def test_a_byte_order_mark_is_no_part_of_a_name(table: Callable[..., str]) -> None:
    path = Path(table())
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert load(str(path)).feature_names[0] == "speed"


def test_any_column_can_be_the_label_and_another_the_group(tmp_path: Path) -> None:
    rows = [f"{row % 7},{row * 0.5},u{row // 10},{row % 2}" for row in range(60)]
    path = tmp_path / "sites.csv"
    path.write_text("\n".join(["heat,flow,unit,state", *rows]))
    data = load(str(path), label="state", group="unit", labels=5)
    assert data.feature_names == ("heat", "flow")
    assert data.class_names == ("class 0", "class 1")
    assert len(np.unique(data.groups[data.test])) == 2
    assert not (data.observed & data.test).any()


def test_an_empty_label_is_unknown(table: Callable[..., str]) -> None:
    data = load(table({7: "1,2,3,"}))
    assert data.y[6] == -1
    assert data.classes == 2


def test_the_same_request_gives_the_same_nodes_and_provenance_names_no_folder(npz: Callable[..., str]) -> None:
    one, other = load(npz(), seed=4), load(npz(), seed=4)
    assert np.array_equal(one.train, other.train)
    assert np.array_equal(one.edge_index, other.edge_index)
    assert one.provenance == other.provenance
    assert one.provenance["data"] == "own data, mine.npz"
    assert str(Path(npz()).parent) not in repr(one.provenance)
    assert not np.array_equal(one.train, load(npz(), seed=5).train)


def test_a_constant_feature_and_a_handful_of_rows_are_no_obstacle(npz: Callable[..., str]) -> None:
    few = blobs(rows=6, classes=2)
    few["x"][:, 1] = 3.0
    data: NodeData = load(npz(**few))
    assert np.bincount(data.y[data.train]).tolist() == [1, 1]
    assert data.edge_index.shape[1] == 6 * 5


# --- what is refused --------------------------------------------------------------------------------------------------


def changed(name: str, index: Any, value: Any) -> dict[str, Any]:
    array = blobs()[name].astype(np.float64)
    array[index] = value
    return {name: array}


PART = np.arange(ROWS) // 40


@pytest.mark.parametrize(
    ("arrays", "expected"),
    [
        (changed("x", (7, 2), np.nan), "x[7, 2] is nan"),
        (changed("x", (0, 3), -np.inf), "x[0, 3] is -inf"),
        (changed("x", (5, 1), 1e300), "x[5, 1] is 1e+300, not a finite float32"),
        (changed("y", 4, 0.5), "y holds 0.5"),
        (changed("y", 4, np.nan), "y holds nan"),
        ({"x": None}, "no array 'x'"),
        ({"y": None}, "no array 'y'"),
        ({"x": np.zeros(ROWS)}, "x has shape [120]"),
        ({"x": np.zeros((ROWS, 0))}, "x has shape [120, 0]"),
        ({"x": np.full((ROWS, 2), "a")}, "features must be numbers"),
        ({"x": np.zeros((ROWS, 2), complex)}, "features must be numbers"),
        ({"y": np.zeros(7, int)}, "y has shape [7] where x has 120 rows"),
        ({"y": np.zeros(ROWS, int)}, "only 'class 0'"),
        ({"y": np.full(ROWS, -1)}, "name none"),
        ({"y": np.arange(ROWS) // 119}, "class 'class 1' has 1 labelled rows, and 3 are needed"),
        ({"class_names": np.array(["a", "b"])}, "y holds 2, and there are 2 class_names"),
        ({"class_names": np.array(["a", "b", "a"])}, "class_names holds 'a' more than once"),
        ({"class_names": np.array([1, 2, 3])}, "class_names must be a list of texts"),
        ({"class_names": np.array(["a", "b", "c", "d"])}, "class 'd' has 0 labelled rows"),
        ({"y": np.array(["up", "dwn"] * 60), "class_names": np.array(["up", "down"])}, "did you mean 'down'?"),
        ({"feature_names": np.array(["a", "b"])}, "2 feature_names for 4 features"),
        ({"edge_index": np.array([[0, 1], [1, 120]])}, "edge_index[1, 1] is 120"),
        ({"edge_index": np.array([[0, -1], [1, 2]])}, "edge_index[0, 1] is -1"),
        ({"edge_index": np.zeros((9, 2), int)}, "transpose it"),
        ({"edge_index": np.zeros(9, int)}, "it must be [2, edges]"),
        ({"edge_index": np.array([[0.5], [1.0]])}, "edge_index holds 0.5"),
        ({"train": PART == 0}, "mask 'train' but not 'val'"),
        ({"train": PART == 0, "val": PART <= 1, "test": PART == 2}, "'train' and 'val' share 40 rows (the first is 0)"),
        ({"train": PART == 0, "val": PART == 1, "test": PART == 9}, "mask 'test' marks no row"),
        ({"train": np.arange(3), "val": PART == 1, "test": PART == 2}, "mask 'train' has shape [3]"),
        ({"train": PART, "val": PART == 1, "test": PART == 2}, "120 times True or False"),
        ({"y": PART, "train": PART == 0, "val": PART == 1, "test": PART == 2}, "no row of class 'class 1'"),
        (changed("y", 3, -1) | {"train": PART == 0, "val": PART == 1, "test": PART == 2}, "row 3 is in mask 'train'"),
        ({"train_mask": PART == 0}, "unknown array 'train_mask': did you mean 'train'?"),
        ({"groups": np.zeros(3)}, "groups has shape [3]"),
        ({"groups": np.zeros(ROWS)}, "all rows belong to one group"),
        ({"y": PART, "groups": PART}, "outside the test groups of fold 0 class 'class 0' has 0 rows"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_wrong_arrays_are_one_line_that_says_where(
    npz: Callable[..., str], arrays: dict[str, Any], expected: str
) -> None:
    assert expected in problem(npz(**arrays))


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ({5: "1,x2,3,idle"}, "line 6, column 'load': 'x2' is not a number"),
        ({5: "1,,3,idle"}, "line 6, column 'load': the cell is empty"),
        ({5: "1,nan,3,idle"}, "line 6, column 'load': nan is not a finite"),
        ({5: "1,2,inf,idle"}, "line 6, column 'fan': inf is not a finite"),
        ({5: "1,2,1e99,idle"}, "line 6, column 'fan': 1e99 is not a finite"),
        ({5: "1,2,3"}, "line 6: 3 cells where the header has 4"),
        ({5: "1,2,3,4,idle"}, "line 6: 5 cells where the header has 4"),
        ({5: '1,2,3,"idle'}, "check the quotes"),
        ({5: "1,2,3,iddle"}, "class 'iddle' has 1 labelled rows"),
        ({0: "speed,load,fan,labl"}, "no column 'label' for the label: did you mean 'labl'?"),
        ({0: "speed,load,fan,kind"}, "name the label column, one of: speed, load, fan, kind"),
        ({0: "speed,speed,fan,label"}, "two columns are named 'speed'"),
        ({0: "speed,,fan,label"}, "column 2 has no name"),
        ({0: "1,2,3,4"}, "the first line holds numbers"),
    ],
)
def test_a_wrong_table_is_one_line_that_says_where(
    table: Callable[..., str], lines: dict[int, str], expected: str
) -> None:
    assert expected in problem(table(lines))


def test_columns_that_do_not_exist_or_serve_twice_are_refused(table: Callable[..., str]) -> None:
    assert "did you mean 'speed'?" in problem(table(), group="sped")
    assert "cannot be both label and group" in problem(table(), group="label")
    assert "no group in column 'fan'" in problem(table({3: "1,2,,idle"}), group="fan")


def test_a_column_cannot_be_named_for_arrays(npz: Callable[..., str]) -> None:
    assert "name columns of a .csv" in problem(npz(), label="y")


def test_a_fold_needs_groups(npz: Callable[..., str]) -> None:
    assert "no groups to make folds of" in problem(npz(), fold=1)
    with pytest.raises(InputError, match="no fold 3: choose from 0 to 2"):
        load(npz(groups=np.arange(ROWS) // 40), fold=3)


def test_masks_and_a_label_budget_exclude_each_other(npz: Callable[..., str]) -> None:
    masks = {"train": PART == 0, "val": PART == 1, "test": PART == 2}
    assert "brings its own masks" in problem(npz(**masks), labels=5)


def test_a_table_without_features_or_rows_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "thin.csv"
    path.write_text("label\na\nb\n")
    assert "no column is left for features" in problem(str(path))
    path.write_text("speed,label\n")
    assert "has a header but no rows" in problem(str(path))
    path.write_text("\n\n")
    assert "no header" in problem(str(path))


class Trap:
    """A pickle that would act when opened."""

    def __reduce__(self) -> tuple[Any, ...]:
        return pytest.fail, ("unpickled",)


@pytest.mark.parametrize("name", ["mine.npz", "mine.csv"])
def test_files_that_are_not_what_they_are_called_are_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    assert "cannot read" in problem(str(path))
    path.write_bytes(b"")
    assert "is empty" in problem(str(path))
    path.write_bytes(b"\x89PNG\xff\xff" * 40)
    assert problem(str(path))
    path.unlink()
    path.mkdir()
    assert "is a folder" in problem(str(path))


def test_truncated_and_pickled_arrays_are_not_opened(npz: Callable[..., str], tmp_path: Path) -> None:
    path = Path(npz())
    whole = path.read_bytes()
    for part in (10, 200, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:part])
        assert "damaged" in problem(str(path))
    path.write_bytes(whole[:200] + bytes(50) + whole[250:])
    assert "damaged" in problem(str(path))
    assert "pickled objects" in problem(npz(y=np.array([Trap()] * ROWS, dtype=object)))
    path.write_bytes(pickle.dumps(Trap()))
    assert "is not an .npz" in problem(str(path))
    with path.open("wb") as stream:
        np.save(stream, np.zeros(3))
    assert "holds a single array" in problem(str(path))


def test_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.xlsx"
    path.write_bytes(b"PK")
    assert "neither .npz nor .csv" in problem(str(path))
    assert "is a folder" in problem(str(tmp_path))
