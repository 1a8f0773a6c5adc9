"""Numbers and foreign text as C source that every compiler reads the same way."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

WIDTH = 112  # of generated lines, before their indentation


def float_literal(value: np.float32 | float) -> str:
    """Nine significant digits name every float32 exactly."""
    text = f"{float(value):.9g}"
    return f"{text}f" if "." in text or "e" in text else f"{text}.0f"


def number_lines(values: npt.NDArray[Any]) -> list[str]:
    """Integers as lines of an initialiser."""
    return wrapped(f"{value}," for value in values.tolist())


def wrapped(words: Iterable[str]) -> list[str]:
    """Words in lines of at most ``WIDTH`` columns; a longer word has a line to itself."""
    lines: list[str] = []
    line = ""
    for word in words:
        if line and len(line) + 1 + len(word) > WIDTH:
            lines.append(line)
            line = ""
        line = f"{line} {word}" if line else word
    return [*lines, line]


def string_literal(text: str) -> str:
    """UTF-8 with everything but plain ASCII in octal, whose three digits never swallow the next character."""
    content = text.encode("utf-8", "backslashreplace")
    return '"' + "".join(chr(byte) if _plain(byte) else f"\\{byte:03o}" for byte in content) + '"'


def comment_text(text: str) -> str:
    """Printable ASCII that neither ends a comment nor begins one, and holds no trigraph."""
    ascii_text = text.encode("unicode_escape").decode("ascii")
    return re.sub(r"\?(?=\?)", "? ", ascii_text.replace("*/", "* /").replace("/*", "/ *"))


def count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one}" if number == 1 else f"{number} {many or one + 's'}"


def _plain(byte: int) -> bool:
    return 32 <= byte < 127 and chr(byte) not in '"\\?'
