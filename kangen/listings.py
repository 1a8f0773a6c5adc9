"""What ``kangen datasets`` and ``kangen targets`` print."""

from __future__ import annotations

from kangen.codegen.targets import TARGETS
from kangen.console import console, table
from kangen.distill.data.registry import describe


def print_datasets() -> None:
    rows = [
        (d.name, f"{d.nodes:,}", f"{d.edges:,}", f"{d.features:,}", str(d.classes), d.licence, d.origin, d.needs)
        for d in describe()
    ]
    out = console()
    columns = ("name", "nodes", "edges", "features", "classes", "licence", "origin", "needs")
    out.print(table("", columns, rows, left=(0, 5, 6, 7)))
    out.print("\nYour own: a .npz with x, y, edge_index and masks, or a .csv with a column of classes:")
    out.print("  [bold]kangen build --data mine.csv --label kind[/]", soft_wrap=True)


def print_targets() -> None:
    rows = [(t.name, t.summary, "; ".join(t.features), ", ".join(t.cores) or "this machine") for t in TARGETS.values()]
    out = console()
    out.print(table("", ("target", "for", "source", "verified on"), rows, left=(0, 1, 2, 3)))
    out.print("\n  [bold]kangen build --target cortex-m4[/]")
