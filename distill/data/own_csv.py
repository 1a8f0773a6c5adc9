"""A user's table: a header, numbers, one column of labels and perhaps one of groups, checked cell by cell."""

from __future__ import annotations

import csv
import difflib
import io
from pathlib import Path

import numpy as np

from kangen.distill.data.nodes import Floats, Ints
from kangen.distill.data.table import Table, code_labels
from kangen.distill.errors import InputError


def read(path: Path, content: bytes, label: str | None, group: str | None) -> Table:
    header, lines, rows = _parse(path, content)
    columns = dict(zip(header, zip(*rows, strict=True), strict=True))
    name = _column(path, header, "label", label or "label")
    meta = [name] if group is None else [name, _column(path, header, "group", group)]
    if group is not None and meta[1] == name:
        raise InputError(f"{path}: column '{name}' cannot be both label and group: name two columns")
    features = [column for column in header if column not in meta]
    if not features:
        raise InputError(f"{path}: no column is left for features beside {' and '.join(meta)}: add measurements")
    x = np.column_stack([_numbers(path, column, columns[column], lines) for column in features])
    y, class_names = code_labels([cell.strip() for cell in columns[name]])
    groups: Ints | None = None
    if group is not None:
        owners = [cell.strip() for cell in columns[meta[1]]]
        if "" in owners:
            raise InputError(f"{path}, line {lines[owners.index('')]}: no group in column '{meta[1]}': fill it in")
        groups = np.unique(owners, return_inverse=True)[1].astype(np.int64)
    return Table(x, y, class_names, tuple(features), groups=groups)


def _parse(path: Path, content: bytes) -> tuple[list[str], list[int], list[list[str]]]:
    """The header, and the rows with the line on which each ends."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text (byte {error.start}): save it as 'CSV UTF-8'") from error
    first = text.split("\n", 1)[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count), strict=True)
    lines, rows = [], []
    try:
        header = [cell.strip() for cell in next(reader, [])]
        for row in reader:
            if row:  # blank lines separate nothing
                lines.append(reader.line_num)
                rows.append(row)
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num}: {error}: check the quotes") from error
    _check_header(path, header)
    for line, row in zip(lines, rows, strict=True):
        if len(row) != len(header):
            raise InputError(
                f"{path}, line {line}: {len(row)} cells where the header has {len(header)}: check for a missing or an "
                "extra separator"
            )
    if not rows:
        raise InputError(f"{path} has a header but no rows: add data")
    return header, lines, rows


def _check_header(path: Path, header: list[str]) -> None:
    if not any(header):
        raise InputError(f"{path} has no header: name the columns in its first line")
    if all(_is_number(cell) for cell in header):
        raise InputError(f"{path}: the first line holds numbers ({header[0]}, …): name the columns there")
    if "" in header:
        raise InputError(f"{path}: column {header.index('') + 1} has no name: give it one in the first line")
    for column in header:
        if header.count(column) > 1:
            raise InputError(f"{path}: two columns are named '{column}': rename one")


def _column(path: Path, header: list[str], role: str, wanted: str) -> str:
    if wanted in header:
        return wanted
    near = difflib.get_close_matches(wanted, header, n=1, cutoff=0.5)
    shown = ", ".join(header[:8]) + (", …" if len(header) > 8 else "")
    cure = f"did you mean '{near[0]}'?" if near else f"name the {role} column, one of: {shown}"
    raise InputError(f"{path} has no column '{wanted}' for the {role}: {cure}")


def _numbers(path: Path, column: str, cells: tuple[str, ...], lines: list[int]) -> Floats:
    try:
        values = np.array(cells, dtype=np.float64)
    except ValueError:
        row = next(number for number, cell in enumerate(cells) if not _is_number(cell))
        shown = f"'{cells[row].strip()}' is not a number" if cells[row].strip() else "the cell is empty"
        raise InputError(
            f"{path}, line {lines[row]}, column '{column}': {shown}: features are numbers with a decimal point"
        ) from None
    with np.errstate(over="ignore"):
        narrow = values.astype(np.float32)
    bad = np.flatnonzero(~np.isfinite(narrow))
    if len(bad):
        raise InputError(
            f"{path}, line {lines[bad[0]]}, column '{column}': {cells[bad[0]].strip()} is not a finite float32: "
            "mend the cell or drop the row"
        )
    return narrow


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
