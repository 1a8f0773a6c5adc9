"""A user's own data: an ``.npz`` of arrays or a ``.csv`` table, its graph built where it has none.

An ``.npz`` holds ``x`` [rows, features] and ``y`` [rows], and may hold ``edge_index`` [2, edges], the masks ``train``,
``val`` and ``test`` [rows], ``groups`` [rows], ``class_names`` and ``feature_names``. A ``.csv`` has a header, numbers,
one column of labels and perhaps one of groups. A label that is empty, or -1 among numbers, is unknown: such a row has
no part in the split, but the teacher sees it.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from kangen.distill.data import own_csv, own_npz, splits
from kangen.distill.data.neighbours import in_feature_space
from kangen.distill.data.nodes import NodeData
from kangen.distill.data.table import Table
from kangen.distill.errors import InputError
from kangen.distill.files import read_bytes

NEIGHBOURS = 8
SUFFIXES = (".npz", ".csv")


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
        table = own_csv.read(path, content, label, group)
    elif label is not None or group is not None:
        raise InputError(f"{path}: 'label' and 'group' name columns of a .csv; an .npz has its labels in y and groups")
    else:
        table = own_npz.read(path, content)
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
        if labels != splits.LABELS:
            raise InputError(
                f"{path} brings its own masks: leave the number of labels at {splits.LABELS}, or the masks out"
            )
        return splits.Split(*table.masks, np.ones(len(table.y), bool)), "masks of the file"
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
