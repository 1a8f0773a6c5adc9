"""A user's own data: an ``.npz`` of arrays or a ``.csv`` table, checked cell by cell, and its graph built where missing.

An ``.npz`` holds ``x`` [rows, features] and ``y`` [rows], and may hold ``edge_index`` [2, edges], the masks ``train``,
``val`` and ``test`` [rows], ``groups`` [rows], ``class_names`` and ``feature_names``. A ``.csv`` has a header, numbers,
one column of labels and perhaps one of groups. A label that is empty, or -1 among numbers, is unknown: such rows have no
part in the split, but the teacher sees them.
"""

from __future__ import annotations

import csv
import difflib
import hashlib
import io
import pickle
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from kangen.distill.data import splits
from kangen.distill.data.neighbours import in_feature_space, undirected
from kangen.distill.data.nodes import Floats, Ints, Mask, NodeData
from kangen.distill.errors import InputError, unknown
from kangen.distill.files import read_bytes

NEIGHBOURS = 8
SUFFIXES = (".npz", ".csv")
REQUIRED = ("x", "y")
MASKS = ("train", "val", "test")
OPTIONAL = ("edge_index", *MASKS, "groups", "class_names", "feature_names")

Cells = npt.NDArray[Any]


@dataclass(frozen=True)
class Table:
    """What a file says, before anything is built from it."""

    x: Floats
    y: Ints
    class_names: tuple[str, ...]
    feature_names: tuple[str, ...]
    edges: Ints | None = None
    masks: tuple[Mask, Mask, Mask] | None = None
    groups: Ints | None = None


def is_file_name(name: str) -> bool:
    """Whether the user means a file rather than one of the named data sets."""
    path = Path(name)
    return path.suffix.lower() in SUFFIXES or path.name != name or path.exists()


def load(
    path: Path,
    *,
    seed: int,
    fold: int,
    labels: int,
    inductive: bool,
    label: str | None = None,
    group: str | None = None,
) -> NodeData:
    """The file as nodes: split by its masks, by its groups or at random, tied by its edges or by nearest neighbours."""
    if path.is_dir():
        raise InputError(f"{path} is a folder: give the .npz or .csv file itself")
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"{path} is neither .npz nor .csv: save your data as one of the two")
    content = read_bytes(path, "check the path of your data")
    if not content:
        raise InputError(f"{path} is empty: save your data again")
    if path.suffix.lower() == ".csv":
        table = _csv(path, content, label, group)
    elif label is not None or group is not None:
        raise InputError(f"{path}: 'label' and 'group' name columns of a .csv; an .npz has its labels in y and groups")
    else:
        table = _npz(path, content)
    _check_classes(path, table)
    split, drawn = _split(path, table, seed, fold, labels)
    if inductive and table.groups is None:
        split, drawn = splits.hide(split, seed), f"{drawn}, inductive, seed {seed}"
    words = bool(np.isin(table.x, (0.0, 1.0)).all())  # then a row is a set of words, not a list of measurements
    x = sp.csr_matrix(table.x) if words else table.x
    return NodeData(
        name=path.stem,
        x=x,
        y=table.y,
        edge_index=in_feature_space(x, NEIGHBOURS, split.observed) if table.edges is None else table.edges,
        train=split.train,
        val=split.val,
        test=split.test,
        observed=split.observed,
        class_names=table.class_names,
        feature_names=table.feature_names,
        standardise=not words,
        groups=table.groups,
        provenance={
            "data": f"own data, {path.name}",
            "source": f"sha256:{hashlib.sha256(content).hexdigest()}",
            "split": drawn,
        },
    )


def _split(path: Path, table: Table, seed: int, fold: int, labels: int) -> tuple[splits.Split, str]:
    by_groups = table.masks is None and table.groups is not None
    if fold and not by_groups:
        raise InputError(f"{path} has no groups to make folds of: leave the fold at 0, and change the seed instead")
    if table.masks is not None:
        return splits.Split(*table.masks, observed=np.ones(len(table.y), bool)), "masks of the file"
    budget = f"{labels} labels a class, seed {seed}"
    if table.groups is None:
        return splits.by_budget(table.y, labels, seed), f"stratified, {budget}"
    split = splits.by_group(table.y, table.groups, fold, labels, seed)
    for number, name in enumerate(table.class_names):
        members = split.observed & (table.y == number)
        if members.sum() < 2:
            raise InputError(
                f"{path}: outside the test groups of fold {fold} class '{name}' has {members.sum()} rows, and 2 are "
                "needed to teach and to validate: choose another fold, or collect more groups"
            )
    if not split.test.any():
        raise InputError(f"{path}: no row of the test groups of fold {fold} has a label: choose another fold")
    return split, f"by group, fold {fold}, {budget}"


def _check_classes(path: Path, table: Table) -> None:
    """What every split needs, said before one is drawn."""
    if len(table.class_names) < 2:
        only = f"only '{table.class_names[0]}'" if table.class_names else "none"
        raise InputError(f"{path}: a classifier needs two classes or more, and the labels name {only}")
    if table.groups is not None and len(np.unique(table.groups)) < 2:
        raise InputError(f"{path}: all rows belong to one group: two or more are needed to test on a group never seen")
    counts = np.bincount(table.y[table.y >= 0], minlength=len(table.class_names))
    few = int(counts.argmin())
    if table.masks is None and counts[few] < 3:
        raise InputError(
            f"{path}: class '{table.class_names[few]}' has {counts[few]} labelled rows, and 3 are needed, one each to "
            "teach, to validate and to test: add rows or leave the class out"
        )
    if table.masks is not None:
        taught = np.bincount(table.y[table.masks[0]], minlength=len(counts))
        if not taught.all():
            raise InputError(
                f"{path}: mask 'train' has no row of class '{table.class_names[int(taught.argmin())]}': "
                "mark at least one row of every class"
            )


# --- .csv -------------------------------------------------------------------------------------------------------------


def _csv(path: Path, content: bytes, label: str | None, group: str | None) -> Table:
    header, lines, rows = _parse(path, content)
    columns = dict(zip(header, zip(*rows, strict=True), strict=True))
    name = _column(path, header, "label", label or "label")
    meta = [name] if group is None else [name, _column(path, header, "group", group)]
    if group is not None and meta[1] == name:
        raise InputError(f"{path}: column '{name}' cannot be both label and group: name two columns")
    features = [column for column in header if column not in meta]
    if not features:
        raise InputError(f"{path}: no column is left for features beside {' and '.join(meta)}: add measurements")
    x = np.column_stack([_numbers(path, column, columns[column], lines) for column in features])
    y, class_names = _labels([cell.strip() for cell in columns[name]])
    groups: Ints | None = None
    if group is not None:
        owners = [cell.strip() for cell in columns[meta[1]]]
        if "" in owners:
            raise InputError(f"{path}, line {lines[owners.index('')]}: no group in column '{meta[1]}': fill it in")
        groups = np.unique(owners, return_inverse=True)[1].astype(np.int64)
    return Table(x, y, class_names, tuple(features), groups=groups)


def _parse(path: Path, content: bytes) -> tuple[list[str], list[int], list[list[str]]]:
    """The header, and the rows with the line on which each ends."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text (byte {error.start}): save it as 'CSV UTF-8'") from error
    first = text.split("\n", 1)[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count), strict=True)
    lines, rows = [], []
    try:
        header = [cell.strip() for cell in next(reader, [])]
        for row in reader:
            if row:  # blank lines separate nothing
                lines.append(reader.line_num)
                rows.append(row)
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num}: {error}: check the quotes") from error
    _check_header(path, header)
    for line, row in zip(lines, rows, strict=True):
        if len(row) != len(header):
            raise InputError(
                f"{path}, line {line}: {len(row)} cells where the header has {len(header)}: check for a missing or an "
                "extra separator"
            )
    if not rows:
        raise InputError(f"{path} has a header but no rows: add data")
    return header, lines, rows


def _check_header(path: Path, header: list[str]) -> None:
    if not any(header):
        raise InputError(f"{path} has no header: name the columns in its first line")
    if all(_is_number(cell) for cell in header):
        raise InputError(f"{path}: the first line holds numbers ({header[0]}, …): name the columns there")
    if "" in header:
        raise InputError(f"{path}: column {header.index('') + 1} has no name: give it one in the first line")
    for column in header:
        if header.count(column) > 1:
            raise InputError(f"{path}: two columns are named '{column}': rename one")


def _column(path: Path, header: list[str], role: str, wanted: str) -> str:
    if wanted in header:
        return wanted
    near = difflib.get_close_matches(wanted, header, n=1, cutoff=0.5)
    shown = ", ".join(header[:8]) + (", …" if len(header) > 8 else "")
    cure = f"did you mean '{near[0]}'?" if near else f"name the {role} column, one of: {shown}"
    raise InputError(f"{path} has no column '{wanted}' for the {role}: {cure}")


def _numbers(path: Path, column: str, cells: tuple[str, ...], lines: list[int]) -> Floats:
    try:
        values = np.array(cells, dtype=np.float64)
    except ValueError:
        row = next(number for number, cell in enumerate(cells) if not _is_number(cell))
        shown = f"'{cells[row].strip()}' is not a number" if cells[row].strip() else "the cell is empty"
        raise InputError(
            f"{path}, line {lines[row]}, column '{column}': {shown}: features are numbers with a decimal point"
        ) from None
    with np.errstate(over="ignore"):
        narrow = values.astype(np.float32)
    bad = np.flatnonzero(~np.isfinite(narrow))
    if len(bad):
        raise InputError(
            f"{path}, line {lines[bad[0]]}, column '{column}': {cells[bad[0]].strip()} is not a finite float32: "
            "mend the cell or drop the row"
        )
    return narrow


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


# --- .npz -------------------------------------------------------------------------------------------------------------


def _npz(path: Path, content: bytes) -> Table:
    part = _arrays(path, content)
    x = _features(path, part["x"])
    rows = len(x)
    labels = part["y"]
    if labels.shape != (rows,):
        raise InputError(f"{path}: y has shape {_shape(labels)} where x has {rows} rows: y must be [{rows}]")
    if "class_names" in part:
        class_names = _names(path, "class_names", part["class_names"])
        y = _named(path, labels, class_names)
    elif labels.dtype.kind == "U":
        y, class_names = _labels([str(cell).strip() for cell in labels])
    else:
        y, class_names = _labels([str(cell) for cell in _integers(path, "y", labels)])
    feature_names = tuple(f"feature {number}" for number in range(x.shape[1]))
    if "feature_names" in part:
        feature_names = _names(path, "feature_names", part["feature_names"])
        if len(feature_names) != x.shape[1]:
            raise InputError(f"{path}: {len(feature_names)} feature_names for {x.shape[1]} features: give one for each")
    groups: Ints | None = None
    if "groups" in part:
        if part["groups"].shape != (rows,):
            raise InputError(f"{path}: groups has shape {_shape(part['groups'])}: it must be [{rows}], one for a row")
        groups = np.unique(part["groups"], return_inverse=True)[1].astype(np.int64)
    edges = _edges(path, part["edge_index"], rows) if "edge_index" in part else None
    return Table(x, y, class_names, feature_names, edges, _masks(path, part, y), groups)


def _arrays(path: Path, content: bytes) -> dict[str, Cells]:
    try:
        archive = np.load(io.BytesIO(content), allow_pickle=False)
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise InputError(f"{path} holds a single array: save x and y together with numpy.savez")
        with archive:
            part = {name: archive[name] for name in archive.files}
    except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile, zlib.error, pickle.UnpicklingError) as error:
        if "allow_pickle" in str(error) or "pickled" in str(error):
            raise InputError(
                f"{path} holds pickled objects, which could run code and are not opened: "
                "save plain arrays of numbers or text"
            ) from error
        raise InputError(f"{path} is damaged or not an .npz ({error}): save it again with numpy.savez") from error
    for name in part:
        if name not in REQUIRED + OPTIONAL:
            raise InputError(f"{path}: {unknown('array', name, REQUIRED + OPTIONAL)}")
    for name in REQUIRED:
        if name not in part:
            raise InputError(f"{path} has no array '{name}': save it with numpy.savez(…, x=…, y=…)")
    return part


def _features(path: Path, x: Cells) -> Floats:
    if x.ndim != 2 or 0 in x.shape:
        raise InputError(f"{path}: x has shape {_shape(x)}: it must be [rows, features], neither of them 0")
    if x.dtype.kind not in "buif":
        raise InputError(f"{path}: x holds {x.dtype} values: features must be numbers")
    with np.errstate(over="ignore"):
        narrow = x.astype(np.float32)
    bad = np.argwhere(~np.isfinite(narrow))
    if len(bad):
        row, column = bad[0]
        raise InputError(
            f"{path}: x[{row}, {column}] is {x[row, column]}, not a finite float32: mend the value or drop the row"
        )
    return narrow


def _integers(path: Path, name: str, values: Cells) -> Ints:
    if values.dtype.kind not in "buif":
        raise InputError(f"{path}: {name} holds {values.dtype} values: it must hold whole numbers")
    whole = np.isfinite(values) & (np.floor(values) == values)
    if not whole.all():
        raise InputError(f"{path}: {name} holds {values[~whole][0]}: it must hold whole numbers (-1 for unknown)")
    return values.astype(np.int64)


def _named(path: Path, labels: Cells, class_names: tuple[str, ...]) -> Ints:
    """Labels that index ``class_names``, or are themselves among them."""
    if labels.dtype.kind == "U":
        strangers = np.setdiff1d(labels, [*class_names, ""])
        if len(strangers):
            raise InputError(f"{path}: {unknown('label', str(strangers[0]), class_names)}")
        return np.array([class_names.index(str(cell)) if cell else -1 for cell in labels], np.int64)
    y = _integers(path, "y", labels)
    strangers = y[(y < -1) | (y >= len(class_names))]
    if len(strangers):
        raise InputError(
            f"{path}: y holds {strangers[0]}, and there are {len(class_names)} class_names: use 0 to "
            f"{len(class_names) - 1}, or -1 for unknown"
        )
    return y


def _names(path: Path, what: str, names: Cells) -> tuple[str, ...]:
    if names.ndim != 1 or names.dtype.kind != "U":
        raise InputError(f"{path}: {what} must be a list of texts, not {names.dtype} of shape {_shape(names)}")
    listed = tuple(str(name) for name in names)
    if len(set(listed)) < len(listed):
        raise InputError(f"{path}: {what} holds '{max(listed, key=listed.count)}' more than once: make them differ")
    return listed


def _edges(path: Path, edges: Cells, rows: int) -> Ints:
    if edges.ndim != 2 or edges.shape[0] != 2:
        cure = ": transpose it" if edges.ndim == 2 and edges.shape[1] == 2 else ""
        raise InputError(f"{path}: edge_index has shape {_shape(edges)}, it must be [2, edges]{cure}")
    whole = _integers(path, "edge_index", edges)
    bad = np.argwhere((whole < 0) | (whole >= rows))
    if len(bad):
        side, edge = bad[0]
        raise InputError(
            f"{path}: edge_index[{side}, {edge}] is {whole[side, edge]}, and there are rows 0 to {rows - 1} only: "
            "mend or drop the edge"
        )
    return undirected(whole[0], whole[1], rows)


def _masks(path: Path, part: Mapping[str, Cells], y: Ints) -> tuple[Mask, Mask, Mask] | None:
    given = [name for name in MASKS if name in part]
    if not given:
        return None
    if len(given) < len(MASKS):
        missing = next(name for name in MASKS if name not in given)
        raise InputError(f"{path} has the mask '{given[0]}' but not '{missing}': give train, val and test, or none")
    masks: dict[str, Mask] = {}
    for name in MASKS:
        values = part[name]
        if values.shape != y.shape or not np.isin(values, (0, 1)).all():
            raise InputError(
                f"{path}: mask '{name}' has shape {_shape(values)} of {values.dtype}: it must be {len(y)} times True or "
                "False, one for a row"
            )
        masks[name] = values.astype(bool)
        if not masks[name].any():
            raise InputError(f"{path}: mask '{name}' marks no row: mark at least one")
        unlabelled = np.flatnonzero(masks[name] & (y < 0))
        if len(unlabelled):
            raise InputError(f"{path}: row {unlabelled[0]} is in mask '{name}' but has no label: unmark or label it")
    for one, other in (("train", "val"), ("train", "test"), ("val", "test")):
        both = np.flatnonzero(masks[one] & masks[other])
        if len(both):
            raise InputError(
                f"{path}: masks '{one}' and '{other}' share {len(both)} rows (the first is {both[0]}): "
                "a row has one part only"
            )
    return masks["train"], masks["val"], masks["test"]


def _labels(cells: list[str]) -> tuple[Ints, tuple[str, ...]]:
    """Codes and class names; whole numbers are ordered as numbers, an empty cell (or -1 among numbers) is unknown."""
    present = sorted({cell for cell in cells if cell})
    if all(cell.lstrip("+-").isdecimal() for cell in present):
        values = sorted({int(cell) for cell in present} - {-1})
        code = {cell: values.index(int(cell)) for cell in present if int(cell) != -1}
        names = tuple(f"class {value}" for value in values)
    else:
        code, names = {cell: number for number, cell in enumerate(present)}, tuple(present)
    return np.array([code.get(cell, -1) for cell in cells], np.int64), names


def _shape(array: Cells) -> str:
    return "[" + ", ".join(map(str, array.shape)) + "]"
