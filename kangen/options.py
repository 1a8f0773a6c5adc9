"""Option types and the options that ``train`` and ``build`` share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

WIDEST = 1024
MOST_HARMONICS = 16


def widths(value: str) -> tuple[int, ...]:
    """Layer widths, as in 64,32."""
    try:
        found = tuple(int(part) for part in value.split(","))
    except ValueError:
        raise click.BadParameter(f"'{value}' is not a list of whole numbers such as 64,32") from None
    if not all(1 <= width <= WIDEST for width in found):
        raise click.BadParameter(f"'{value}' has a width outside 1 to {WIDEST}")
    return found


def names(value: str) -> tuple[str, ...]:
    """A list of names, as in cortex-m0plus,cortex-m4."""
    found = tuple(part.strip() for part in value.split(","))
    if not all(found):
        raise click.BadParameter(f"'{value}' has an empty name in it; write them as cortex-m0plus,cortex-m4")
    return tuple(dict.fromkeys(found))


class Whole(click.IntRange):
    name = "whole number"  # as click's complaint calls it


FOLDER = click.Path(path_type=Path)

_TRAINING: tuple[Callable[[Any], Any], ...] = (
    click.option(
        "--data",
        metavar="NAME|FILE",
        help="A data set of 'kangen datasets', or your own .npz or .csv file. [default: watch]",
    ),
    click.option("--label", metavar="COLUMN", help="The column of your .csv that holds the class."),
    click.option("--group", metavar="COLUMN", help="A column of your .csv (a person, say) whose rows stay together."),
    click.option("--data-root", type=FOLDER, metavar="DIR", help="Read data sets from this folder, download nothing."),
    click.option("--fold", type=Whole(0), metavar="N", help="Which fold of people is held back for testing."),
    click.option("--labels", type=Whole(1), metavar="N", help="Labelled training rows for each class."),
    click.option("--inductive", is_flag=True, default=None, help="Hide the test nodes and their edges from training."),
    click.option("--seed", type=Whole(0), metavar="N", help="Makes everything repeat. [default: 0]"),
    click.option("--teacher", metavar="gcn|sage|gat", help="The network that teaches. [default: sage; for words gcn]"),
    click.option("--method", metavar="NAME", help="The way of distilling. [default: sadsd]"),
    click.option("--hidden", type=widths, metavar="N,N…", help="Widths of hidden layers. [default: 32; for words 64]"),
    click.option("--harmonics", type=Whole(1, MOST_HARMONICS), metavar="K", help="Harmonics of every edge function."),
    click.option("--epochs", type=Whole(1), metavar="N", help="At most so many epochs of each network."),
    click.option(
        "--run", type=FOLDER, metavar="DIR", help="'train' writes it, 'build' reuses it. [default: runs/NAME]"
    ),
)


def training_options(command: F) -> F:
    for option in reversed(_TRAINING):
        command = option(command)
    return command
