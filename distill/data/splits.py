"""Who teaches, who chooses and who is asked once, at the end: every split is drawn here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from kangen.distill.data.nodes import Ints, Mask
from kangen.distill.errors import InputError

LABELS = 20  # labelled nodes a class that teach, unless asked otherwise; Planetoid's public split has as many
VALIDATION = 30  # labelled nodes a class that choose between models
UNSEEN = 0.2  # the part of the test nodes that an inductive split hides


@dataclass(frozen=True)
class Split:
    train: Mask
    val: Mask
    test: Mask
    observed: Mask


def by_budget(y: Ints, labels: int, seed: int) -> Split:
    """``labels`` nodes a class teach, 30 a class validate, the rest of the labelled are the test; all are observed."""
    train, val = _draw(y, np.ones(len(y), bool), labels, np.random.default_rng(seed))
    return Split(train, val, (y >= 0) & ~train & ~val, np.ones(len(y), bool))


def by_group(
    y: Ints,
    groups: Ints,
    fold: int,
    labels: int,
    seed: int,
    folds: int = 5,
    validation: Literal["nodes", "group"] = "nodes",
) -> Split:
    """The fold's groups are the test and are never observed; all else is drawn from the other groups.

    Groups go to folds in sorted order, in runs of equal size, whatever the seed. ``validation`` says where the 30
    validation nodes a class come from: the observed nodes that do not teach ("nodes"), or one more group that is not
    observed either ("group"), which costs its nodes but asks the same question as the test.
    """
    known = np.unique(groups)
    folds = min(folds, len(known))
    if not 0 <= fold < folds:
        raise InputError(f"there is no fold {fold}: choose from 0 to {folds - 1}")
    held_out = np.array_split(known, folds)[fold]
    test = np.isin(groups, held_out)
    observed = ~test
    rng = np.random.default_rng(seed)
    if validation == "nodes":
        train, val = _draw(y, observed, labels, rng)
    else:
        chooser = groups == rng.choice(np.setdiff1d(known, held_out))
        observed &= ~chooser
        train, val = _some(y, observed, labels, rng), _some(y, chooser, VALIDATION, rng)
    return Split(train, val, test & (y >= 0), observed)


def hide(split: Split, seed: int) -> Split:
    """The inductive setting: one in five test nodes is unseen in training, and only these are the test."""
    rng = np.random.default_rng([seed, 1])  # a stream of its own: it does not depend on how the split was drawn
    members = rng.permutation(np.flatnonzero(split.test))
    unseen = np.zeros(len(split.test), bool)
    unseen[members[: max(1, round(UNSEEN * len(members)))]] = True
    return Split(split.train, split.val, unseen, split.observed & ~unseen)


def _draw(y: Ints, candidates: Mask, labels: int, rng: np.random.Generator) -> tuple[Mask, Mask]:
    """Of every class, ``labels`` candidates that teach and 30 others that validate.

    A small class gives at most half of its nodes to teaching, and half of what is left to validation.
    """
    train, val = np.zeros(len(y), bool), np.zeros(len(y), bool)
    for label in np.unique(y[candidates & (y >= 0)]):
        members = candidates & (y == label)
        train |= _some(y, members, min(labels, max(1, int(members.sum()) // 2)), rng)
        members &= ~train
        val |= _some(y, members, min(VALIDATION, max(1, int(members.sum()) // 2)), rng)
    return train, val


def _some(y: Ints, candidates: Mask, count: int, rng: np.random.Generator) -> Mask:
    """``count`` candidates of every class, or all where there are fewer."""
    if count < 1:
        raise InputError(f"{count} labels a class cannot teach anything: ask for 1 or more")
    chosen = np.zeros(len(y), bool)
    for label in np.unique(y[candidates & (y >= 0)]):
        chosen[rng.permutation(np.flatnonzero(candidates & (y == label)))[:count]] = True
    return chosen
