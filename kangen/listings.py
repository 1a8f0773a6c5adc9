"""What ``kangen datasets`` and ``kangen targets`` print."""

from __future__ import annotations

from kangen.codegen.targets import TARGETS
from kangen.console import console, table
from kangen.distill.data.registry import describe


def print_datasets() -> None:
    known, out = describe(), console()
    sizes = [(d.name, f"{d.nodes:,}", f"{d.edges:,}", f"{d.features:,}", str(d.classes)) for d in known]
    # Two tables, each of which fits a terminal of 80 columns.
    out.print(table("", ("name", "nodes", "edges", "features", "classes"), sizes))
    out.print()
    origins = [(d.name, d.origin, d.licence, d.needs) for d in known]
    out.print(table("", ("name", "from", "licence", "needs"), origins, left=(0, 1, 2, 3)))
    out.print("\nThe folders are looked for below --data-root; without it the graphs are downloaded.", soft_wrap=True)
    out.print("A licence is that of the package or the repository that publishes the data.", soft_wrap=True)
    out.print("\nYour own: a .npz with x, y, edge_index and masks, or a .csv with a column of classes:", soft_wrap=True)
    out.print("  [bold]kangen build --data mine.csv --label kind[/]", soft_wrap=True)


def print_targets() -> None:
    rows = [(t.name, t.summary, "; ".join(t.features), ", ".join(t.cores) or "this machine") for t in TARGETS.values()]
    out = console()
    out.print(table("", ("target", "for", "source", "verified on"), rows, left=(0, 1, 2, 3)))
    out.print("\n  [bold]kangen build --target cortex-m4[/]")
