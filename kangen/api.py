"""The Python interface: what every command does, without the printing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kangen import directory
from kangen.codegen.c import check_name
from kangen.codegen.program import Program
from kangen.codegen.targets import TARGETS
from kangen.console import Report, quiet
from kangen.distill.config import TrainConfig, recommended
from kangen.distill.errors import InputError, unknown
from kangen.evidence import Verification, verify_build
from kangen.inspection import Inspection, inspection
from kangen.making import Build, make
from kangen.request import DataRequest, as_seen_from_here, given_options, name_of
from kangen.samples import load_samples

if TYPE_CHECKING:
    from kangen.distill.checkpoints import Run
    from kangen.distill.data.nodes import NodeData

__all__ = ["Build", "Inspection", "Verification", "build", "inspect", "train", "verify"]

RUNS, BUILDS = Path("runs"), Path("build")


def train(
    data: str | None = None,
    *,
    label: str | None = None,
    group: str | None = None,
    data_root: Path | str | None = None,
    fold: int | None = None,
    labels: int | None = None,
    inductive: bool | None = None,
    seed: int | None = None,
    teacher: str | None = None,
    method: str | None = None,
    hidden: Sequence[int] | None = None,
    harmonics: int | None = None,
    epochs: int | None = None,
    run: Path | str | None = None,
    report: Report = quiet,
) -> Run:
    """Train teachers and a student and keep them in a run directory; goes on with an interrupted run.

    >>> run = kangen.train("cora", hidden=(64,), seed=1)
    >>> run.metrics["student"]["test"]
    """
    given = {"data": data, "label": label, "group": group, "fold": fold, "labels": labels, "inductive": inductive}
    plan = _plan(given, data_root, given_options(seed, teacher, method, hidden, harmonics, epochs), run)
    return _train(plan, plan.read(report), report)


def build(
    data: str | None = None,
    *,
    target: str | Sequence[str] = "cortex-m",
    name: str | None = None,
    out: Path | str = BUILDS,
    label: str | None = None,
    group: str | None = None,
    data_root: Path | str | None = None,
    fold: int | None = None,
    labels: int | None = None,
    inductive: bool | None = None,
    seed: int | None = None,
    teacher: str | None = None,
    method: str | None = None,
    hidden: Sequence[int] | None = None,
    harmonics: int | None = None,
    epochs: int | None = None,
    run: Path | str | None = None,
    report: Report = quiet,
) -> Build:
    """Make the C and everything beside it in ``out/name``; trains when there is no run yet, ``run`` reuses one.

    >>> made = kangen.build("watch", target="cortex-m4")
    >>> made.directory
    PosixPath('build/watch')
    """
    targets = _targets(target)
    if name is not None:
        check_name(name)
    given = {"data": data, "label": label, "group": group, "fold": fold, "labels": labels, "inductive": inductive}
    plan = _plan(given, data_root, given_options(seed, teacher, method, hidden, harmonics, epochs), run)
    if run is not None and plan.config is None:
        raise InputError(f"there is no run in {run}; train it with 'kangen train --run {run}'")
    chosen = name_of(plan.request.name) if name is None else name
    check_name(chosen)
    directory.check_free(Path(out) / chosen)
    nodes = plan.read(report)
    return make(_train(plan, nodes, report), nodes, chosen, targets, Path(out) / chosen, report)


def verify(build_dir: Path | str | None = None, *, report: Report = quiet) -> Verification:
    """Run the C of a build everywhere and compare it with the reference; the result is kept in the build.

    >>> kangen.verify("build/watch").passed
    True
    """
    return verify_build(_the_build(build_dir), report)


def inspect(path: Path | str | None = None) -> Inspection:
    """A build's Program, or a Program alone, layer by layer.

    >>> kangen.inspect("build/watch").picture("edges.png")
    """
    if path is not None and Path(path).is_file():
        return inspection(Program.load(Path(path)))
    place = _the_build(path)
    program = Program.load(place / directory.PROGRAM)
    samples = place / directory.SAMPLES
    return inspection(program, load_samples(samples, program) if samples.exists() else None)


def _targets(target: str | Sequence[str]) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(target.split(",") if isinstance(target, str) else target))
    for name in names:
        if name not in TARGETS:
            raise unknown("target", name, TARGETS)
    return names


def _the_build(place: Path | str | None) -> Path:
    """The build that is meant; without a name the only one there is."""
    if place is not None:
        return directory.find(Path(place))
    found = directory.builds_in(BUILDS)
    if not found:
        raise InputError(f"there is no build in {BUILDS}/; make one with 'kangen build'")
    if len(found) > 1:
        raise InputError(f"there are several builds ({', '.join(str(path) for path in found)}); name one of them")
    return directory.find(found[0])


@dataclass(frozen=True)
class _Plan:
    """Where to train what on which data; what the user left open is as the run in that place was asked for."""

    place: Path
    request: DataRequest
    root: str | None  # where the data lie today
    changes: Mapping[str, Any]  # to what suits the data
    config: TrainConfig | None  # of the run that is there, finished or interrupted

    def read(self, report: Report) -> NodeData:
        return self.request.load(report, self.root)


def _plan(
    given: Mapping[str, Any], root: Path | str | None, changes: Mapping[str, Any], run: Path | str | None
) -> _Plan:
    from kangen.distill.checkpoints import asked_of

    TrainConfig(**changes)  # complains about a value before the data are read
    asked = DataRequest.of(**given, root=root, seed=changes.get("seed"))
    place = RUNS / name_of(asked.name) if run is None else Path(run)
    _trainable(place)
    there = asked_of(place)
    if there is None:
        return _Plan(place, asked, asked.root, changes, None)
    config, request = there[0], DataRequest.from_json(there[1], place)
    _agree(place, config, request, {**given, **changes})
    return _Plan(place, request, asked.root, changes, config)


def _trainable(place: Path) -> None:
    """A folder that holds something else is refused before an hour is spent on training."""
    if place.exists() and not place.is_dir():
        raise InputError(f"{place} is a file, not a folder; choose another --run")
    kinds = {"run.json", "state.safetensors", "student.safetensors"}
    others = sorted(child.name for child in place.iterdir()) if place.is_dir() else []
    foreign = [name for name in others if name not in kinds and not name.startswith(".")]
    if foreign and not kinds & set(others):
        raise InputError(f"{place} holds '{foreign[0]}' and no run; choose an empty or a new folder with --run")


def _train(plan: _Plan, nodes: NodeData, report: Report) -> Run:
    from kangen.distill import training

    def watch(progress: training.Progress) -> None:
        report(progress.stage, progress.step, progress.total, progress.text)

    config = plan.config or recommended(nodes, **plan.changes)
    return training.train(nodes, config, plan.place, watch, data_request=plan.request.to_json())


def _agree(place: Path, config: TrainConfig, request: DataRequest, given: Mapping[str, Any]) -> None:
    """What was asked for on the command line must be what the run in ``place`` was asked for."""
    settings = {**config.to_json(), **request.to_json(), "data": request.name}
    for option, value in given.items():
        if value is None:
            continue
        wanted = DataRequest.of(value).name if option == "data" else list(value) if option == "hidden" else value
        if wanted != settings[option]:
            raise InputError(
                f"{place} holds a run with {option} = {_shown(settings[option])}, not {_shown(wanted)}; leave that "
                "option out, or train another run with 'kangen train --run DIR' and build it with '--run DIR'"
            )


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(map(str, value))
    return "none" if value is None else as_seen_from_here(str(value))
