"""The C that surrounds a model when it is run: read from templates/harness, filled in for a model and a board."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib import resources

from jinja2 import Environment, StrictUndefined

from kangen.distill.errors import InputError
from kangen.runtimes.cores import Board

PUBLIC = ("quantise", "predict", "predict_q", "scores_q", "logits", "probabilities", "class_names")


@cache
def _text(name: str) -> str:
    return (resources.files("kangen.templates") / "harness" / name).read_text(encoding="utf-8")


def _fill(template: str, /, **values: object) -> bytes:
    # C, not HTML: nothing is to be escaped.
    environment = Environment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)  # noqa: S701
    return environment.from_string(_text(template)).render(**values).encode()


def harness_files(name: str, *files: str) -> dict[str, bytes]:
    """The named files of the harness, with the header that ties them to the model ``name``."""
    return {"model.h": _fill("model.h.j2", name=name), **{file: _text(file).encode() for file in files}}


def link_script(core: str, board: Board) -> bytes:
    return _fill("link.ld.j2", core=core, flash=board.flash, ram=board.ram)


def check_sources(sources: Mapping[str, bytes], name: str) -> None:
    """The three files of a model must be there, and carry its name."""
    for file in (f"{name}.c", f"{name}.h", f"{name}_golden.h"):
        if file not in sources:
            raise InputError(f"{file} is not among the generated files; build the model again with 'kangen build'")
    if not re.search(rb"\b" + name.upper().encode() + rb"_NUM_INPUTS\b", sources[f"{name}.h"]):
        raise InputError(f"{name}.h does not declare a model named '{name}'; build it again with 'kangen build'")
