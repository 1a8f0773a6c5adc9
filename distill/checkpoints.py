"""Run directories: a run in progress can be taken up again after any interruption, a finished one can be loaded.

run.json              the configuration, the data, the metrics: written last, so its presence means finished
student.safetensors   the student
state.safetensors     while training: everything that the next epoch depends on
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from kangen.distill.config import TrainConfig
from kangen.distill.data.nodes import NodeData, is_sparse
from kangen.distill.errors import InputError
from kangen.distill.files import read_bytes, read_json, read_tensors, write_json, write_tensors
from kangen.distill.student import Student, StudentConfig

FORMAT = "kangen-run-1"
RUN, STUDENT, STATE = "run.json", "student.safetensors", "state.safetensors"
RESTART = "delete it to start this run again from its beginning"
RETRAIN = "train it again with 'kangen train' in another or an emptied folder"


@dataclass
class Run:
    """A finished training run. ``metrics`` holds accuracies from 0 to 1 under "teacher" and "student"."""

    directory: Path
    config: TrainConfig
    data_request: dict[str, Any]  # how the data were asked for
    student: Student
    metrics: dict[str, Any]


@dataclass
class State:
    """Where a run is: the stages that are done, and the one under way with the epoch that comes next."""

    done: dict[str, dict[str, Tensor]] = field(default_factory=dict)
    stage: str = ""
    epoch: int = 0
    best_epoch: int = -1
    best_score: float = -float("inf")
    tensors: dict[str, Tensor] = field(default_factory=dict)

    def part(self, name: str) -> dict[str, Tensor]:
        return {key[len(name) + 1 :]: value for key, value in self.tensors.items() if key.startswith(name + "/")}


class RunDirectory:
    """The files of one run of one configuration on one data set."""

    def __init__(
        self, directory: Path, config: TrainConfig, data: NodeData, data_request: Mapping[str, Any] | None = None
    ) -> None:
        self.path, self.config, self.data, self.data_request = directory, config, data, dict(data_request or {})
        self.asked = {"config": config.to_json(), "data": {"name": data.name, "fingerprint": fingerprint(data)}}

    def finished(self) -> Run | None:
        """The run, where it was done before; an error where the directory belongs to another one."""
        if self.path.exists() and not self.path.is_dir():
            raise InputError(f"{self.path} is a file: give a folder for the run")
        if not (self.path / RUN).exists():
            return None
        content = _read_description(self.path)
        self._compare(content)
        return load_run(self.path)

    def restore(self) -> State:
        """Where an interrupted run stopped, or the beginning."""
        for leftover in self.path.glob(".*.safetensors.*"):  # of a write that a kill -9 cut off
            leftover.unlink()
        path = self.path / STATE
        if not path.exists():
            return State()
        header, arrays = _read_state(path)
        try:
            self._compare(header["asked"])
            state = State(
                done={stage: {} for stage in header["done"]},
                stage=str(header["stage"]),
                epoch=int(header["epoch"]),
                best_epoch=int(header["best_epoch"]),
                best_score=float(header["best_score"]),
            )
            for key, array in arrays.items():
                kind, rest = key.split(":", 1)
                if kind == "done":
                    stage, name = rest.split("/", 1)
                    state.done[stage][name] = torch.from_numpy(array)
                else:
                    state.tensors[rest] = torch.from_numpy(array)
        except (KeyError, TypeError, ValueError) as error:
            raise _no_checkpoint(path, error) from error
        return state

    def save(self, state: State) -> None:
        arrays = {f"now:{key}": value.detach().numpy() for key, value in state.tensors.items()}
        for stage, tensors in state.done.items():
            arrays |= {f"done:{stage}/{name}": value.detach().numpy() for name, value in tensors.items()}
        header = {"format": FORMAT, "asked": self.asked, "data_request": self.data_request, "done": list(state.done)}
        header |= {name: getattr(state, name) for name in ("stage", "epoch", "best_epoch", "best_score")}
        write_tensors(self.path / STATE, arrays, {"state": json.dumps(header)})

    def finish(self, student: Student, metrics: Mapping[str, Any]) -> Run:
        write_tensors(self.path / STUDENT, {k: v.numpy() for k, v in student.state_dict().items()}, {"format": FORMAT})
        description = {
            "format": FORMAT,
            **self.asked,
            "data_request": self.data_request,
            "student": {"shape": asdict(student.config), "sha256": _digest(self.path / STUDENT)},
            "metrics": dict(metrics),
            "torch": torch.__version__,
        }
        write_json(self.path / RUN, description)
        (self.path / STATE).unlink(missing_ok=True)
        return load_run(self.path)

    def _compare(self, found: Mapping[str, Any]) -> None:
        other = f"{self.path} holds another run"
        cure = "choose another folder, or delete this one"
        if found["config"] != self.asked["config"]:
            asked = self.asked["config"]
            names = [name for name in asked if found["config"].get(name) != asked[name]]
            differences = ", ".join(f"{n} = {found['config'].get(n)} instead of {asked[n]}" for n in names)
            raise InputError(f"{other} ({differences}): {cure}")
        if found["data"] != self.asked["data"]:
            raise InputError(f"{other}, of other data ({found['data']['name']}) than {self.data.name} as given: {cure}")


def load_run(directory: Path) -> Run:
    """A finished run; a missing, cut or foreign file is named, with the cure."""
    description = _read_description(directory)
    path = directory / STUDENT
    arrays, _ = read_tensors(path, RETRAIN)
    try:
        shape = dict(description["student"]["shape"])
        shape["hidden"] = tuple(shape["hidden"])
        if set(shape) != {item.name for item in fields(StudentConfig)}:
            raise ValueError("the student's shape has other fields")
        student = Student(StudentConfig(**shape))
        config = TrainConfig.from_json(description["config"])
        request, metrics = dict(description["data_request"]), dict(description["metrics"])
        expected = description["student"]["sha256"]
    except (KeyError, TypeError, ValueError, InputError) as error:
        raise InputError(f"{directory / RUN} is damaged or of another version ({error}); {RETRAIN}") from error
    load_tensors(student, {name: torch.from_numpy(array) for name, array in arrays.items()}, str(path))
    if _digest(path) != expected:
        raise InputError(f"{path} is not the student that {directory / RUN} describes; {RETRAIN}")
    return Run(directory, config, request, student.eval(), metrics)


def asked_of(directory: Path) -> tuple[TrainConfig, dict[str, Any]] | None:
    """What the run in the directory, finished or under way, was asked: its configuration and how to read its data."""
    if (directory / RUN).exists():
        run = load_run(directory)
        return run.config, run.data_request
    path = directory / STATE
    if not path.exists():
        return None
    header, _ = _read_state(path)
    try:
        return TrainConfig.from_json(header["asked"]["config"]), dict(header["data_request"])
    except (KeyError, TypeError, ValueError, InputError) as error:
        raise _no_checkpoint(path, error) from error


def load_tensors(module: nn.Module, tensors: Mapping[str, Tensor], where: str) -> None:
    """``load_state_dict`` with the name and the shapes of what does not fit."""
    wanted = module.state_dict()
    if wanted.keys() != tensors.keys():
        odd = sorted(wanted.keys() ^ tensors.keys())
        raise InputError(f"{where} does not fit the model ({odd[0]} is missing or too many); {RETRAIN}")
    for name, value in wanted.items():
        if tensors[name].shape != value.shape:
            shapes = f"{tuple(tensors[name].shape)} instead of {tuple(value.shape)}"
            raise InputError(f"{where} does not fit the model ({name} has the shape {shapes}); {RETRAIN}")
    module.load_state_dict(dict(tensors))


def fingerprint(data: NodeData) -> str:
    """The hash of everything that training reads."""
    digest = hashlib.sha256(json.dumps([data.name, list(data.class_names), data.standardise]).encode())
    x = (data.x.data, data.x.indices, data.x.indptr) if is_sparse(data.x) else (data.x,)
    for array in (*x, data.y, data.edge_index, data.train, data.val, data.test, data.observed):
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _read_description(directory: Path) -> dict[str, Any]:
    path = directory / RUN
    if not path.is_file():
        started = (directory / STATE).exists()
        cure = "give 'kangen train' the same folder to finish it" if started else "train it with 'kangen train'"
        raise InputError(f"there is no finished run in {directory} (no {RUN}); {cure}")
    content = read_json(path, RETRAIN)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise InputError(f"{path} does not describe a kangen run of format {FORMAT}; {RETRAIN}")
    parts = ("config", "data", "student", "metrics", "data_request")
    if not all(isinstance(content.get(name), dict) for name in parts):
        raise InputError(f"{path} is incomplete; {RETRAIN}")
    return content


def _read_state(path: Path) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
    arrays, metadata = read_tensors(path, RESTART)
    try:
        header = dict(json.loads(metadata["state"]))
        if header["format"] != FORMAT:
            raise ValueError(f"its format is {header['format']}, not {FORMAT}")
    except (KeyError, TypeError, ValueError) as error:
        raise _no_checkpoint(path, error) from error
    return header, arrays


def _no_checkpoint(path: Path, error: Exception) -> InputError:
    return InputError(f"{path} is not a checkpoint of this kangen ({error}); {RESTART}")


def _digest(path: Path) -> str:
    return hashlib.sha256(read_bytes(path, RETRAIN)).hexdigest()
