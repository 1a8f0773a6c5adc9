"""What each command prints when it is done."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from kangen.codegen.program import SparseLayer
from kangen.console import c_snippet, console, count, share, table
from kangen.evidence import HOST, Verification
from kangen.inspection import Inspection, byte_breakdown
from kangen.making import Build
from kangen.report import use_in_c
from kangen.tables import (
    LAYER_COLUMNS,
    VERIFICATION_COLUMNS,
    VERIFICATION_LEFT,
    VERIFICATION_LEGEND,
    layer_rows,
    verification_notes,
    verification_rows,
)

if TYPE_CHECKING:
    from kangen.distill.checkpoints import Run


def print_run(run: Run) -> None:
    out = console()
    config = run.config
    taught = f" by {config.teacher}" if "teacher" in run.metrics else ""
    out.print(
        f"\n[bold]{escape(str(run.directory))}[/]  {config.method}{taught}, hidden {_list(config.hidden)}, "
        f"seed {config.seed}"
    )
    rows = [
        (who, share(found.get("val")), share(found.get("test")))
        for who, found in (("teacher", run.metrics.get("teacher")), ("student", run.metrics["student"]))
        if found
    ]
    out.print(table("", ("accuracy", "validation", "test"), rows))
    out.print(f"\nNext: [bold]kangen build --run {escape(str(run.directory))}[/]", soft_wrap=True)


def print_build(made: Build) -> None:
    out = console()
    manifest, program = made.manifest, made.program
    accuracy, agreement, model = manifest["accuracy"], manifest["agreement"], manifest["model"]
    shape = f"{program.inputs:,} inputs, {program.classes} classes"
    out.print(f"\n[bold]{program.name}[/] is built: {shape}, for {_list(manifest['targets'])}\n")
    names = {"teacher": "teacher", "student": "student, float", "int8": "student, int8"}
    rows = [
        (title, share(accuracy[who]["val"]), share(accuracy[who]["test"]))
        for who, title in names.items()
        if accuracy[who]["val"] is not None or accuracy[who]["test"] is not None
    ]
    out.print(table("", ("accuracy", "validation", "test"), rows))
    same, tuned = agreement["int8_equals_float"], manifest["choices"]["finetuned_for_int8"]
    out.print(
        f"\nint8 gives the float student's label on {share(same)} of {agreement['rows']:,} rows"
        + (", after fine-tuning through its roundings" if tuned else "")
        + "\n"
    )
    sizes = ", ".join(f"{name} {size:,}" for name, size in list(byte_breakdown(program).items())[:3])
    out.print(
        table(
            "",
            ("an answer costs", ""),
            [(_work(program.layers), count(model["macs"])), ("bytes of constants", count(model["constant_bytes"]))],
        )
    )
    out.print(f"[dim]{sizes} …[/]\n", soft_wrap=True)
    listed = [(name, count(facts["bytes"])) for name, facts in manifest["files"].items()]
    out.print(table("", (f"{made.directory}/", "bytes"), [*listed, (f"{program.name}.json", "")]))
    out.print("\nIn your firmware:\n")
    out.print(c_snippet(use_in_c(program)))
    out.print(f"\nNext: [bold]kangen verify {escape(str(made.directory))}[/]", soft_wrap=True)
    out.print(f"See:  {escape(str(made.directory / 'REPORT.html'))}", soft_wrap=True)


def print_verification(result: Verification) -> None:
    out = console()
    found = result.to_json()
    out.print()
    for target, rows in verification_rows(found).items():
        for part in ([row for row in rows if row[0] == HOST], [row for row in rows if row[0] != HOST]):
            if part:
                out.print(_fitting(target, part))
                out.print()
    out.print(f"[dim]{VERIFICATION_LEGEND}[/]")
    for line in verification_notes(found):
        out.print(f"[dim]{escape(line)}[/]", soft_wrap=True)
    out.print()
    for item in result.skipped:
        out.print(f"[yellow]not run:[/] {escape(item.what)}: {escape(item.reason)}", soft_wrap=True)
    for check in result.checks:
        if check.difference is not None:
            out.print(f"[red]differs:[/] {escape(f'{check}: {check.difference}')}", soft_wrap=True)
    for line in result.changed_files:
        out.print(f"[red]changed:[/] {escape(line)}", soft_wrap=True)
    if result.passed:
        runs = len(result.checks)
        out.print(f"[bold green]Equal[/]: {runs} runs of {result.rows:,} rows gave the bytes of the integer reference.")
        out.print(f"See: {escape(str(result.directory / 'REPORT.html'))}", soft_wrap=True)


def _fitting(target: str, rows: list[tuple[str, ...]]) -> Any:
    """The table without the columns that say nothing here; what all rows share stands in the title."""
    shared = [n for n in VERIFICATION_LEFT if n and len({row[n] for row in rows}) == 1]
    title = ", ".join([target, *(rows[0][n] for n in shared)])
    used = [n for n in range(len(VERIFICATION_COLUMNS)) if n not in shared and any(row[n] != "–" for row in rows)]
    columns = [VERIFICATION_COLUMNS[n] for n in used]
    left = [at for at, n in enumerate(used) if n in VERIFICATION_LEFT]
    return table(escape(title), columns, [[row[n] for n in used] for row in rows], left=left)


def print_inspection(found: Inspection, picture: Path | None) -> None:
    out = console()
    program = found.program
    out.print(f"\n[bold]{program.name}[/]  Program {program.identity}")
    for key, value in program.provenance.items():
        out.print(f"[dim]{escape(key)}: {escape(value)}[/]", soft_wrap=True)
    out.print()
    # A layer is a column here: terminals are narrow and layers few.
    facts = list(zip(*layer_rows(program), strict=True))
    columns = (LAYER_COLUMNS[0], *facts[0])
    out.print(table("", columns, [(name, *values) for name, values in zip(LAYER_COLUMNS[1:], facts[1:], strict=True)]))
    parts = byte_breakdown(program)
    out.print()
    out.print(
        table(
            "",
            ("constants", "bytes"),
            [*((name, count(size)) for name, size in parts.items()), ("together", count(sum(parts.values())))],
        )
    )
    out.print(f"\n[dim]classes: {escape(', '.join(program.class_names))}[/]", soft_wrap=True)
    if picture is not None:
        out.print(f"\nDrawn: {escape(str(picture))}", soft_wrap=True)
    else:
        out.print("\nTo see what it has learned: [bold]kangen inspect --picture edges.png[/]", soft_wrap=True)


def _work(layers: Any) -> str:
    """What the count of work counts."""
    if any(isinstance(layer, SparseLayer) for layer in layers):
        return "multiply-adds at most (only the words present cost)"
    return "multiply-adds"


def _list(values: Any | Mapping[str, Any]) -> str:
    return ", ".join(str(value) for value in values) or "none"
