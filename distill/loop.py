"""The loop that trains any stage: seeds, selection by validation, early stopping, checkpoints, progress.

The random numbers of an epoch depend on the seed, the stage and the epoch alone, so a run that was interrupted goes on
from its checkpoint to the same bits as one that was not.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from kangen.distill.checkpoints import RunDirectory, State, load_tensors
from kangen.distill.errors import InputError

CHECKPOINT_SECONDS = 3.0
SCORE_EVERY = 2  # epochs


@dataclass(frozen=True)
class Progress:
    """``step`` of ``total`` epochs of a stage are done."""

    stage: str
    step: int
    total: int
    text: str


Report = Callable[[Progress], None]


def ignore(progress: Progress) -> None:
    """For those who do not watch."""


class Stage(Protocol):
    """One model that is trained for some epochs, of which the best on the validation nodes is kept."""

    name: str  # in checkpoints and seeds
    title: str  # for people
    epochs: int
    patience: int

    @property
    def module(self) -> nn.Module:
        """Everything that the next epoch depends on, besides the optimiser."""

    @property
    def chosen(self) -> nn.Module:
        """The model whose best epoch is kept."""

    @property
    def optimiser(self) -> torch.optim.Optimizer: ...

    def epoch(self, number: int) -> float:
        """Train one epoch and return its loss."""

    def score(self) -> tuple[float, float]:
        """Accuracy and cross entropy of ``chosen`` on the validation nodes."""


class Loop:
    """Runs one stage after the other, from wherever the run directory says that an earlier attempt stopped."""

    def __init__(self, files: RunDirectory, report: Report) -> None:
        self.files, self.report, self.seed = files, report, files.config.seed
        self.state = files.restore()
        self.saved = time.monotonic()  # of all stages together: many short ones are worth a checkpoint as well

    def run(self, stage: Stage) -> dict[str, Tensor]:
        """The tensors of ``stage.chosen`` in its best epoch."""
        if stage.name in self.state.done:
            return self.state.done[stage.name]
        if self.state.stage == stage.name:
            self._resume(stage)
        else:
            self.state = State(done=self.state.done, stage=stage.name)
        state = self.state
        while state.epoch < stage.epochs and state.epoch - state.best_epoch <= stage.patience:
            torch.manual_seed(derive(self.seed, stage.name, state.epoch))
            loss = stage.epoch(state.epoch)
            if not math.isfinite(loss):
                raise InputError(
                    f"the loss of {stage.title} became {loss} in epoch {state.epoch + 1}: "
                    "lower the learning rate, and look for extreme values in the data"
                )
            if state.epoch % SCORE_EVERY == 0 or state.epoch + 1 == stage.epochs:
                self._select(stage)
            state.epoch += 1
            if time.monotonic() - self.saved >= CHECKPOINT_SECONDS:
                self.files.save(self._with_everything(stage))
                self.saved = time.monotonic()
        self.state = State(done=state.done | {stage.name: state.part("best")})
        return self.state.done[stage.name]

    def _select(self, stage: Stage) -> None:
        state = self.state
        right, loss = stage.score()
        score = right - 0.1 * loss  # few validation nodes tie often: the loss decides between near equals
        if score > state.best_score or state.best_epoch < 0:
            state.best_score, state.best_epoch = score, state.epoch
            state.tensors = {f"best/{name}": value.clone() for name, value in stage.chosen.state_dict().items()}
        text = f"validation {100 * right:.1f} %, loss {loss:.3f}"
        self.report(Progress(stage.title, state.epoch + 1, stage.epochs, text))

    def _with_everything(self, stage: Stage) -> State:
        """The state with the tensors that the next epoch depends on."""
        tensors = dict(self.state.tensors)
        tensors |= {f"module/{name}": value for name, value in stage.module.state_dict().items()}
        for index, moments in stage.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser/{index}/{name}": value for name, value in moments.items()}
        state = self.state
        return State(state.done, state.stage, state.epoch, state.best_epoch, state.best_score, tensors)

    def _resume(self, stage: Stage) -> None:
        load_tensors(stage.module, self.state.part("module"), "the checkpoint")
        moments: dict[int, dict[str, Tensor]] = {}
        for key, value in self.state.part("optimiser").items():
            index, name = key.split("/")
            moments.setdefault(int(index), {})[name] = value
        groups = stage.optimiser.state_dict()["param_groups"]
        stage.optimiser.load_state_dict({"state": moments, "param_groups": groups})
        self.state.tensors = {f"best/{name}": value for name, value in self.state.part("best").items()}


def derive(seed: int, stage: str, moment: int | str) -> int:
    """A seed for one moment of one stage."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{stage}/{moment}".encode()).digest()[:8], "little") >> 1
