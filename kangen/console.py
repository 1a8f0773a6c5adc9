"""What a person sees while kangen works and when it is done: plain where the output is no terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.syntax import Syntax
from rich.table import Column, Table

PLAIN_WIDTH = 120  # of a pipe or a log file, which have none


class Report(Protocol):
    """How a long job says where it is: what it does, which step of how many, and a figure to watch."""

    def __call__(self, stage: str, step: int, total: int, text: str = "") -> None: ...


def quiet(stage: str, step: int, total: int, text: str = "") -> None:
    """The report of a job that nobody watches."""


class _Console(Console):
    def on_broken_pipe(self) -> None:
        raise BrokenPipeError  # rich would leave with exit code 1, which says that a verification failed


def console(*, error: bool = False) -> Console:
    stream = sys.stderr if error else sys.stdout
    return _Console(file=stream, highlight=False, width=None if stream.isatty() else PLAIN_WIDTH, soft_wrap=False)


@contextmanager
def progress() -> Iterator[Report]:
    """Bars with the time left on a terminal; elsewhere a line for each stage."""
    out = console(error=True)
    if not out.is_terminal:
        lines = _Lines(out)
        yield lines
        lines.close()
        return
    columns = (
        TextColumn("{task.description}", style="bold", table_column=Column(no_wrap=True, min_width=20)),
        BarColumn(bar_width=16, complete_style="cyan", finished_style="green"),
        TextColumn("{task.percentage:>3.0f} %", table_column=Column(no_wrap=True, min_width=5)),
        TimeRemainingColumn(compact=True, elapsed_when_finished=True, table_column=Column(no_wrap=True, min_width=5)),
        TextColumn("{task.fields[text]}", style="dim", table_column=Column(no_wrap=True, overflow="ellipsis")),
    )
    with Progress(*columns, console=out) as bars:
        tasks: dict[str, TaskID] = {}

        def report(stage: str, step: int, total: int, text: str = "") -> None:
            if stage not in tasks:
                for task in bars.tasks:  # what came before is over, at whatever step it was good enough
                    bars.update(task.id, completed=task.total)
                tasks[stage] = bars.add_task(stage, text="")
            bars.update(tasks[stage], completed=step, total=max(total, 1), text=escape(text))

        yield report


class _Lines:
    """A line when a stage begins and one when it is over, with the last that was said of it."""

    def __init__(self, out: Console) -> None:
        self.out, self.stage, self.text = out, "", ""

    def __call__(self, stage: str, step: int, total: int, text: str = "") -> None:
        if stage != self.stage:
            self.close()
            self.out.print(escape(f"{stage} …"), soft_wrap=True)
        self.stage, self.text = stage, text
        if step >= total:
            self.close()

    def close(self) -> None:
        if self.stage and self.text:
            self.out.print(escape(f"{self.stage}: {self.text}"), soft_wrap=True)
        self.text = ""


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, left: Iterable[int] = (0,)) -> Table:
    """Figures to the right, the columns named in ``left`` and headings to the left."""
    to_left = set(left)
    drawn = Table(title=title or None, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for number, column in enumerate(columns):
        drawn.add_column(
            column,
            justify="left" if number in to_left else "right",
            header_style="cyan",
            no_wrap=number not in to_left,
            overflow="fold",
        )
    for row in rows:
        drawn.add_row(*(escape(str(cell)) for cell in row))
    return drawn


def c_snippet(code: str) -> Syntax:
    return Syntax(code.rstrip(), "c", theme="ansi_dark", background_color="default", word_wrap=True)


def share(value: float | None) -> str:
    """An accuracy as a percentage."""
    return "–" if value is None else f"{100 * value:.1f} %"


def count(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}"
