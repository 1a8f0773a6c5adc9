"""Verification: the files as they lie on disk, run everywhere, held against the reference."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from kangen import directory
from kangen.codegen.program import Program
from kangen.codegen.targets import TARGETS, Target
from kangen.console import Report
from kangen.distill.errors import InputError, VerificationError
from kangen.distill.files import read_bytes, write_atomic, write_json
from kangen.making import emitted
from kangen.report import render
from kangen.runtimes.evidence import CoreResult, HostResult, verify_cores, verify_host
from kangen.runtimes.host import run_sanitised
from kangen.runtimes.records import Observed, expected
from kangen.runtimes.toolchains import HOST_CURE, LEVELS, CompileError, Workbench, host_compilers
from kangen.samples import Samples, load_samples

HOST, NATIVE, CORE_LEVEL = "this machine", "native", "-O2"


@dataclass(frozen=True)
class Check:
    """One compiler, one level, one core: what came out. Every output of every row was compared."""

    target: str
    core: str
    compiler: str
    level: str
    emulator: str
    rows: int
    difference: str | None = None  # None: all rows gave the bytes of the reference
    labels_as_float: float | None = None
    instructions: Mapping[str, float | None] | None = None  # of one call, the mean over some rows
    flash: int | None = None
    ram: int | None = None
    scratch: int | None = None
    stack_painted: Mapping[str, int] | None = None
    stack_bound: Mapping[str, int | None] | None = None
    note: str = ""

    def __str__(self) -> str:
        return f"{self.core}, {self.compiler} {self.level}"


@dataclass(frozen=True)
class Skipped:
    """Something that could not run here, and why."""

    what: str
    reason: str


@dataclass(frozen=True)
class Verification:
    directory: Path
    program: Program
    rows: int
    changed_files: tuple[str, ...]
    checks: tuple[Check, ...]
    skipped: tuple[Skipped, ...]

    @property
    def first_difference(self) -> str | None:
        if self.changed_files:
            return self.changed_files[0]
        return next((f"{check}: {check.difference}" for check in self.checks if check.difference is not None), None)

    @property
    def passed(self) -> bool:
        return self.first_difference is None

    def demand(self) -> None:
        """Raise VerificationError unless everything was equal."""
        if self.first_difference is not None:
            raise VerificationError(f"{self.directory}: {self.first_difference}")

    def to_json(self) -> dict[str, Any]:
        return {
            "passed": self.passed,
            "rows": self.rows,
            "first_difference": self.first_difference,
            "changed_files": list(self.changed_files),
            "checks": [asdict(check) for check in self.checks],
            "skipped": [asdict(item) for item in self.skipped],
        }


@dataclass(frozen=True)
class _Subject:
    """The C of one target, and what it has to compute."""

    name: str
    target: Target
    sources: Mapping[str, bytes]
    samples: Samples
    wanted: Observed
    labels_as_float: float


def verify_build(place: Path, report: Report) -> Verification:
    manifest = directory.read_manifest(place)
    program = Program.load(place / directory.PROGRAM)
    if program.identity != manifest["identity"] or program.name != manifest["name"]:
        raise InputError(f"{place / directory.PROGRAM} is not the Program that this build describes; {directory.CURE}")
    samples = load_samples(place / directory.SAMPLES, program)
    targets = tuple(manifest["targets"])
    if not targets or not TARGETS.keys() >= set(targets):
        raise InputError(f"{place} was built for a target that this kangen does not know; {directory.CURE}")
    if samples.rows == 0:
        raise InputError(f"{place} keeps no rows to verify with; {directory.CURE}")

    should_be = emitted(program, targets, samples)
    on_disk = {name: read_bytes(place / name, directory.CURE) for name in should_be}
    wanted = expected(program, samples.x)
    as_float = round(float(np.mean(wanted.labels == samples.float_labels)), 6)
    found: list[Check | Skipped] = []
    with Workbench() as bench:
        for name in targets:
            prefix = f"{name}/" if len(targets) > 1 else ""
            sources = {path[len(prefix) :]: text for path, text in on_disk.items() if path.startswith(prefix)}
            subject = _Subject(program.name, TARGETS[name], sources, samples, wanted, as_float)
            found += _follow(subject, bench, report)
    checks = tuple(item for item in found if isinstance(item, Check))
    skipped = tuple(item for item in found if isinstance(item, Skipped))
    if not checks:
        raise InputError(f"nothing could be run here: {skipped[0].what}: {skipped[0].reason}")
    result = Verification(place, program, samples.rows, _changed(should_be, on_disk), checks, skipped)
    _record(result, manifest, samples)
    return result


def _follow(subject: _Subject, bench: Workbench, report: Report) -> list[Check | Skipped]:
    """Everything that runs, with a word on each as it comes."""
    stage = f"verifying {subject.target.name}"
    total = max(1, len(host_compilers()) * len(LEVELS)) + 1 + len(subject.target.cores)
    found: list[Check | Skipped] = []
    report(stage, 0, total)
    for item in _everything(subject, bench):
        found.append(item)
        report(stage, min(len(found), total - 1), total, item.what if isinstance(item, Skipped) else str(item))
    report(stage, total, total, f"{len(found)} runs")
    return found


def _everything(subject: _Subject, bench: Workbench) -> Iterator[Check | Skipped]:
    x, name, sources = subject.samples.x, subject.name, subject.sources
    hosts = host_compilers()
    if not hosts:
        yield Skipped(HOST, HOST_CURE)
    for compiler in hosts:
        for level in LEVELS:
            yield _host_check(subject, verify_host(sources, name, x, subject.wanted, compiler, level, bench))
    if hosts:
        yield _sanitised(subject, bench)
    for result in verify_cores(subject.target.cores, sources, name, x, subject.wanted, bench):
        yield _core_check(subject, result)


def _host_check(subject: _Subject, result: HostResult) -> Check:
    return Check(
        target=subject.target.name,
        core=HOST,
        compiler=str(result.compiler),
        level=result.level,
        emulator=NATIVE,
        rows=subject.samples.rows,
        difference=result.finding,
        labels_as_float=subject.labels_as_float if result.good else None,
    )


def _sanitised(subject: _Subject, bench: Workbench) -> Check | Skipped:
    try:
        result = run_sanitised(subject.sources, subject.name, subject.samples.x, workbench=bench)
    except CompileError as error:
        return Skipped("sanitizers", str(error))
    titles = {"address": "ASan", "undefined": "UBSan"}
    return Check(
        target=subject.target.name,
        core=HOST,
        compiler=str(result.compiler),
        level="+".join(titles[check] for check in result.checks),
        emulator=NATIVE,
        rows=subject.samples.rows,
        difference=result.finding,
    )


def _core_check(subject: _Subject, result: CoreResult) -> Check | Skipped:
    if result.not_run is not None:
        return Skipped(result.title, result.not_run)
    ran = result.flash is not None
    return Check(
        target=subject.target.name,
        core=result.title,
        compiler=str(result.compiler),
        level=CORE_LEVEL,
        emulator=str(result.emulator),
        rows=subject.samples.rows,
        difference=result.finding,
        labels_as_float=subject.labels_as_float if result.good else None,
        instructions={
            name: None if spread is None else round(spread.mean, 1) for name, spread in result.instructions.items()
        },
        flash=result.flash,
        ram=(result.data or 0) + (result.bss or 0) if ran else None,
        scratch=result.scratch,
        stack_painted=dict(result.stack_painted),
        stack_bound=dict(result.stack_bound),
        note="; ".join(filter(None, (result.note, *dict.fromkeys(result.stack_unknown.values())))),
    )


def _changed(should_be: Mapping[str, bytes], on_disk: Mapping[str, bytes]) -> tuple[str, ...]:
    """Files that are not what their Program says, each with its first line that differs."""
    changed = []
    for name, content in should_be.items():
        if on_disk[name] != content:
            pairs = zip_longest(content.splitlines(), on_disk[name].splitlines())
            line = next((n for n, (a, b) in enumerate(pairs, 1) if a != b), 1)
            what = f"{name} is not what its Program emits, first in line {line}"
            changed.append(f"{what}: edited, or built by another kangen")
    return tuple(changed)


def _record(result: Verification, manifest: dict[str, Any], samples: Samples) -> None:
    """Keep the results in NAME.json and in the report; the hashes of the other files stay those of the build."""
    place = result.directory
    path = directory.manifest_path(place)
    assert path is not None  # noqa: S101 - the manifest was read from it
    manifest["verification"] = result.to_json()
    manifest["files"].pop(directory.REPORT, None)
    page = render(manifest, result.program, samples)
    manifest["files"][directory.REPORT] = directory.digest(page)
    write_atomic(place / directory.REPORT, page)
    write_json(path, manifest)
