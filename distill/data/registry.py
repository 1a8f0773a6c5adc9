"""Data sets by name, and the user's own by path."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from kangen.distill.data import graphs, own, splits, watch
from kangen.distill.data.nodes import NodeData
from kangen.distill.errors import InputError, unknown


@dataclass(frozen=True)
class DatasetInfo:
    name: str
    nodes: int
    edges: int  # each direction counted
    features: int
    classes: int
    licence: str  # of the package or the repository that publishes it
    origin: str
    needs: str  # a command, or the folder below a data root that is read in place of a download


def load(
    name: str,
    *,
    root: Path | None = None,
    seed: int = 0,
    fold: int = 0,
    labels: int = splits.LABELS,
    inductive: bool = False,
    cache: Path | None = None,
    label: str | None = None,
    group: str | None = None,
) -> NodeData:
    """A data set by its name, or the user's own ``.npz`` or ``.csv`` by its path.

    ``root`` holds local copies of the published graphs, ``cache`` those that are downloaded. ``fold`` chooses the
    people, or groups, that are the test. ``inductive`` hides one test node in five; where whole groups are the test
    they are hidden in any case. ``label`` and ``group`` name columns of a CSV.
    """
    published = name in graphs.GRAPHS
    if name == "watch" or published:
        for keyword, value in (("label", label), ("group", group)):
            if value is not None:
                raise InputError(
                    f"'{keyword}' names a column of your own CSV; the data set '{name}' has none: leave it out"
                )
    if name == "watch":
        return watch.load(seed=seed, fold=fold, labels=labels)
    if published:
        if fold:
            raise InputError(f"the data set '{name}' has no folds: leave the fold at 0, and change the seed instead")
        return graphs.load(name, root=root, cache=cache or user_cache(), seed=seed, labels=labels, inductive=inductive)
    if is_own(name):
        return own.load(Path(name), seed=seed, fold=fold, labels=labels, inductive=inductive, label=label, group=group)
    raise unknown("data set", name, ["watch", *graphs.GRAPHS])


def is_own(name: str) -> bool:
    """Whether ``name`` is the path of a user's own file."""
    return name != "watch" and name not in graphs.GRAPHS and own.is_file_name(name)


def describe() -> list[DatasetInfo]:
    """Every named data set. The figures are facts about published files; nothing is opened to tell them."""
    listed = [
        DatasetInfo(
            name="watch",
            nodes=4_677,
            edges=17_868,
            features=len(watch.feature_names()),
            classes=len(watch.EXERCISES),
            licence="BSD-3-Clause",
            origin=f"a watch on 10 people's wrists, {watch.PACKAGE} {watch.VERSION}",
            needs="pip install 'kangen[demo]'",
        )
    ]
    for name, graph in graphs.GRAPHS.items():
        listed.append(
            DatasetInfo(
                name=name,
                nodes=graph.nodes,
                edges=graph.edges,
                features=graph.features,
                classes=len(graph.classes),
                licence="MIT",
                origin=graph.origin,
                needs=graph.folder.as_posix(),
            )
        )
    return listed


def user_cache() -> Path:
    """Where this user's system keeps what can be fetched again."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "kangen"
