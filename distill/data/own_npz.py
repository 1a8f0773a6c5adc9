"""A user's arrays: ``x`` and ``y``, and what else they know of the graph, checked one by one."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kangen.distill.data.neighbours import undirected
from kangen.distill.data.nodes import Floats, Ints, Mask
from kangen.distill.data.table import Table, code_labels
from kangen.distill.errors import InputError, unknown

REQUIRED = ("x", "y")
MASKS = ("train", "val", "test")
OPTIONAL = ("edge_index", *MASKS, "groups", "class_names", "feature_names")

Cells = npt.NDArray[Any]


def read(path: Path, content: bytes) -> Table:
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
        y, class_names = code_labels([str(cell).strip() for cell in labels])
    else:
        y, class_names = code_labels([str(cell) for cell in _integers(path, "y", labels)])
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
    if content.startswith(b"\x93NUMPY"):
        raise InputError(f"{path} holds a single array: save x and y together with numpy.savez")
    if not content.startswith(b"PK"):
        raise InputError(f"{path} is not an .npz, whatever its name says: save it with numpy.savez")
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            part = {name: archive[name] for name in archive.files}
    except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        if "allow_pickle" in str(error):
            raise InputError(
                f"{path} holds pickled objects, which could run code and are not opened: "
                "save plain arrays of numbers or text"
            ) from error
        raise InputError(f"{path} is damaged ({error}): save it again with numpy.savez") from error
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
        raise InputError(f"{path}: {name} holds {values[~whole][0]}: it must hold whole numbers")
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
                f"{path}: mask '{name}' has shape {_shape(values)} of {values.dtype}: it must be {len(y)} times "
                "True or False, one for a row"
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


def _shape(array: Cells) -> str:
    return "[" + ", ".join(map(str, array.shape)) + "]"
