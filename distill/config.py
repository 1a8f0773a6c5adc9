"""What a training run is asked to do; together with the data it decides every bit of the result."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from kangen.distill.data.nodes import NodeData
from kangen.distill.errors import InputError, unknown

TEACHERS = ("gat", "gcn", "sage")
METHODS = ("labels", "sadsd")


@dataclass(frozen=True)
class TrainConfig:
    """The defaults are those for ``watch``; ``recommended`` knows what other data want."""

    method: str = "sadsd"
    teacher: str = "sage"
    hidden: tuple[int, ...] = (32,)
    harmonics: int = 4
    seed: int = 0
    teachers: int = 4  # seeds of the teacher whose predictions are averaged; the first one is "the teacher"
    teacher_hidden: int = 64
    teacher_dropout: float = 0.5
    teacher_epochs: int = 200
    teacher_learning_rate: float = 0.01
    teacher_weight_decay: float = 5e-4
    epochs: int = 60
    patience: int = 100  # epochs without a better score on the validation nodes
    batch: int = 512  # nodes a step of the student's; a smaller data set goes through at once
    learning_rate: float = 0.01
    weight_decay: float = 0.2  # decoupled, as in AdamW
    dropout: float = 0.0
    base: float = 0.5  # the student's first frequency, in radians per standard deviation
    noise: float = 0.5  # of the student's inputs, in standard deviations; the part of words left out of binary data

    def __post_init__(self) -> None:
        object.__setattr__(self, "hidden", tuple(self.hidden))
        if self.method not in METHODS:
            raise unknown("method", self.method, METHODS)
        if self.teacher not in TEACHERS:
            raise unknown("teacher", self.teacher, TEACHERS)
        counts = ("harmonics", "teachers", "teacher_hidden", "teacher_epochs", "epochs", "patience", "batch")
        for name in counts:
            _demand(isinstance(getattr(self, name), int) and getattr(self, name) >= 1, name, self, "1 or more")
        _demand(isinstance(self.seed, int) and self.seed >= 0, "seed", self, "0 or more")
        widths = all(isinstance(width, int) and width >= 1 for width in self.hidden)
        _demand(widths, "hidden", self, "widths of 1 or more")
        for name in ("learning_rate", "teacher_learning_rate", "base"):
            _demand(0 < getattr(self, name) < float("inf"), name, self, "a number above 0")
        for name in ("weight_decay", "teacher_weight_decay"):
            _demand(0 <= getattr(self, name) < float("inf"), name, self, "0 or more")
        for name in ("teacher_dropout", "dropout", "noise"):
            _demand(0 <= getattr(self, name) < 1, name, self, "from 0 to below 1")

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values: what reading the file back gives, so that configurations compare as dictionaries."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return plain

    @staticmethod
    def from_json(content: Mapping[str, Any]) -> TrainConfig:
        known = {item.name for item in fields(TrainConfig)}
        if set(content) != known:
            raise ValueError(f"its configuration has other fields: {', '.join(sorted(known ^ set(content)))}")
        return TrainConfig(**content)


def recommended(data: NodeData, **changes: Any) -> TrainConfig:
    """The configuration that suits the data; ``changes`` that are None count as not given."""
    settings: dict[str, Any] = {}
    if not data.standardise:  # word counts on a citation or purchase graph
        settings = {
            "teacher": "gcn",
            "hidden": (64,),
            "harmonics": 2,
            "dropout": 0.3,
            "noise": 0.0,
            "weight_decay": 5e-4,
        }
        settings |= {"batch": 8192, "epochs": 200, "learning_rate": 0.003}
    return TrainConfig(**settings | {name: value for name, value in changes.items() if value is not None})


def _demand(holds: bool, name: str, config: TrainConfig, range_: str) -> None:
    if not holds:
        raise InputError(f"{name} = {getattr(config, name)}: give {range_}")
