"""How data were asked for: kept with a run, so that a build reads the same data again."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kangen.console import Report
from kangen.distill.data import registry
from kangen.distill.data.registry import is_own
from kangen.distill.errors import InputError

if TYPE_CHECKING:
    from kangen.distill.data.nodes import NodeData

DEFAULT = "watch"


@dataclass(frozen=True)
class DataRequest:
    """The arguments of the data registry; ``name`` is a known data set, or the full path of a file."""

    name: str
    label: str | None = None
    group: str | None = None
    root: str | None = None
    seed: int = 0
    fold: int = 0
    labels: int = 20
    inductive: bool = False

    @staticmethod
    def of(
        data: str | None,
        label: str | None = None,
        group: str | None = None,
        root: Path | str | None = None,
        fold: int | None = None,
        labels: int | None = None,
        inductive: bool | None = None,
        seed: int | None = None,
    ) -> DataRequest:
        name = DEFAULT if data is None else str(data)
        given = {"fold": fold, "labels": labels, "inductive": inductive, "seed": seed}
        return DataRequest(
            name=str(Path(name).absolute()) if is_own(name) else name,
            label=label,
            group=group,
            root=None if root is None else str(Path(root).absolute()),
            **{key: value for key, value in given.items() if value is not None},  # type: ignore[arg-type]
        )

    @staticmethod
    def from_json(content: Mapping[str, Any], run: Path) -> DataRequest:
        known = {item.name for item in fields(DataRequest)}
        if set(content) != known:
            raise InputError(f"{run} does not say how its data were read; train it again with 'kangen train'")
        return DataRequest(**content)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def load(self, report: Report, root: str | None = None) -> NodeData:
        """Read the data; ``root`` says where they lie today, if not where they lay."""
        report("reading the data", 0, 1)
        folder = root or self.root
        data = registry.load(
            as_seen_from_here(self.name),
            label=self.label,
            group=self.group,
            root=None if folder is None else Path(folder),
            seed=self.seed,
            fold=self.fold,
            labels=self.labels,
            inductive=self.inductive,
        )
        report("reading the data", 1, 1, f"{data.nodes:,} rows, {data.features:,} features, {data.classes} classes")
        return data


def as_seen_from_here(name: str) -> str:
    """The file as a message should call it: what lies below this folder without the way to it."""
    path = Path(name)
    below = path.is_absolute() and path.is_relative_to(Path.cwd()) and path != Path.cwd()
    return str(path.relative_to(Path.cwd())) if below and path.suffix else name


def name_of(data: str) -> str:
    """What a model of this data is called, unless the user says otherwise."""
    if not is_own(data):
        return data
    return re.sub(r"\W+", "_", Path(data).stem).strip("_").lower() or "model"


def given_options(
    seed: int | None,
    teacher: str | None,
    method: str | None,
    hidden: Sequence[int] | None,
    harmonics: int | None,
    epochs: int | None,
) -> dict[str, Any]:
    """The training options that were given; the others are left to what suits the data."""
    options = {
        "seed": seed,
        "teacher": teacher,
        "method": method,
        "hidden": None if hidden is None else tuple(hidden),
        "harmonics": harmonics,
        "epochs": epochs,
        "teacher_epochs": epochs,
    }
    return {name: value for name, value in options.items() if value is not None}
