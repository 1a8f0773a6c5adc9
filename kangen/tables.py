"""Rows of the tables that the console and the report both show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kangen.codegen.program import Program
from kangen.console import count, share
from kangen.inspection import inspection

LAYER_COLUMNS = (
    "layer",
    "kernel",
    "in → out",
    "harmonics",
    "code worth",
    "zero",
    "requantise ×",
    "weights",
    "table",
    "other",
    "MACs",
    "bound",
    "of int32",
)
VERIFICATION_COLUMNS = (
    "core",
    "compiler",
    "emulator",
    "equal rows",
    "as float",
    "from codes",
    "from floats",
    "flash",
    "RAM",
    "stack",
    "bound",
)
VERIFICATION_LEGEND = (
    "as float: rows with the float student's label. from codes, from floats: instructions of one answer, by predict_q "
    "and predict. flash and RAM: bytes that the model adds to an empty image. stack: bytes used, by painting it. "
    "bound: the most it can use, from the call graph."
)
VERIFICATION_LEFT = (0, 1, 2)


def layer_rows(program: Program) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for facts in inspection(program).layers:
        least, most = facts.requantise
        rows.append(
            (
                str(facts.number),
                facts.kernel,
                f"{facts.inputs:,} → {facts.outputs:,}",
                count(facts.harmonics),
                f"{facts.code_scale:.3g}",
                str(facts.code_zero),
                f"{least:.2e}" if least == most else f"{least:.2e} … {most:.2e}",
                f"{facts.weight_bytes:,}",
                f"{facts.table_bytes:,}" if facts.table_bytes else "–",
                f"{facts.other_bytes:,}",
                f"{facts.macs:,}",
                f"{facts.bound:,}",
                f"{100 * facts.bound_share:.2g} %",
            )
        )
    return rows


def verification_rows(found: Mapping[str, Any]) -> dict[str, list[tuple[str, ...]]]:
    """For each target, a line for each run. Instructions and stack are those of one answer."""
    targets: dict[str, list[tuple[str, ...]]] = {}
    for check in found["checks"]:
        targets.setdefault(check["target"], []).append(_row(check))
    return targets


def _row(check: Mapping[str, Any]) -> tuple[str, ...]:
    instructions = check["instructions"] or {}
    return (
        check["core"],
        f"{check['compiler'].replace('arm-none-eabi-', 'arm-')} {check['level']}",
        check["emulator"],
        "✗" if check["difference"] is not None else f"✓ {check['rows']:,}",
        share(check["labels_as_float"]),
        count(instructions.get("predict_q")),
        count(instructions.get("predict")),
        count(check["flash"]),
        count(check["ram"]),
        count(_deepest(check["stack_painted"])),
        count(_deepest(check["stack_bound"])),
    )


def verification_notes(found: Mapping[str, Any]) -> list[str]:
    """What is to be said about runs beside their figures."""
    notes: dict[str, list[str]] = {}
    for check in found["checks"]:
        if check["note"]:
            cores = notes.setdefault(check["note"], [])
            cores += [check["core"]] * (check["core"] not in cores)
    return [f"{', '.join(cores)}: {note}" for note, cores in notes.items()]


def _deepest(stack: Mapping[str, int | None] | None) -> int | None:
    """Of all functions; unknown where one of them is."""
    depths = list((stack or {}).values())
    known = [depth for depth in depths if depth is not None]
    return max(known) if known and len(known) == len(depths) else None
