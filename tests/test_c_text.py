"""What the generated C looks like: what must be in it, what never may, and that any name and any text is safe in it."""

from __future__ import annotations

import ast
import platform
import re
import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest
from compiled import CPP_COMPILERS, HOST_COMPILERS, STRICT, golden
from hypothesis import given, settings
from hypothesis import strategies as st
from programs import random_program

from kangen.codegen.c import check_name, cost, emit_c, scratch_bytes
from kangen.codegen.ctext import comment_text, float_literal, string_literal
from kangen.codegen.kernels import dense
from kangen.codegen.names import C_KEYWORDS, CPP_KEYWORDS
from kangen.codegen.program import DenseLayer, Program
from kangen.codegen.targets import TARGETS
from kangen.distill.errors import InputError

PROGRAM = random_program((57, 32, 7), 4)
SPARSE = random_program((37, 6, 3), 2, binary=True)


def emit(program: Program, target: str = "cortex-m") -> dict[str, str]:
    return {name: text.decode("ascii") for name, text in emit_c(program, TARGETS[target], golden(program)).items()}


def without_comments(text: str) -> str:
    return re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("program", [PROGRAM, SPARSE], ids=["dense", "sparse"])
def test_two_emits_are_byte_identical_and_plain(program: Program, target: str) -> None:
    first, second = emit(program, target), emit(program, target)
    assert first == second
    assert sorted(first) == ["probe.c", "probe.h", "probe_golden.h"]
    for text in first.values():
        assert text.endswith("\n")
        assert not re.search(r"[ \t]\n|\t|\r|\n\n\n", text), "stray white space"
        assert not re.search(r"\{%|None|Undefined|/home|/tmp|20\d\d-\d\d", text)
        assert max(map(len, text.splitlines())) <= 160


@pytest.mark.parametrize("program", [PROGRAM, SPARSE], ids=["dense", "sparse"])
def test_no_heap_no_libraries_no_double_no_state(program: Program) -> None:
    files = emit(program)
    for text in map(without_comments, files.values()):
        assert not re.search(r"\b(malloc|calloc|free|printf|memcpy|memset|double|long|volatile|goto)\b", text)
        assert set(re.findall(r"#include (\S+)", text)) <= {'"probe.h"', "<stdint.h>", "<float.h>"}
    for line in without_comments(files["probe.c"]).splitlines():
        if line.startswith("static") and not line.rstrip().endswith((")", ",")):
            assert line.startswith("static const"), f"a variable that is written: {line}"
    floating = without_comments(files["probe.c"]).partition("probe_scores_q(")[2]
    assert "float" not in floating.partition("int probe_predict(")[0], "predict_q must not touch floating point"


def test_every_name_with_linkage_carries_the_prefix() -> None:
    for text in map(without_comments, emit(PROGRAM).values()):
        assert set(re.findall(r"#define (\w+)", text)) == {
            n for n in re.findall(r"#define (\w+)", text) if n.startswith("PROBE_")
        }
        functions = re.findall(r"^(?:static )?[\w *]*?\b(\w+)\(", text, re.MULTILINE)
        assert all(name.startswith(("probe_", "PROBE_")) for name in functions if not name.startswith("__")), functions


def test_dsp_follows_the_target() -> None:
    assert "smlad" in emit(PROGRAM, "cortex-m")["probe.c"]
    for name, target in TARGETS.items():
        text = emit(PROGRAM, name)["probe.c"]
        assert ("smlad" in text) == (target.dsp != "never")
        assert ('#error "probe.c was generated for' in text) == (target.dsp == "always")
        assert ("int64_t" in text) == (target.multiply != "narrow")
        assert ("16-bit pieces" in text) == (target.multiply != "wide")


def test_the_header_is_a_data_sheet() -> None:
    program = replace(PROGRAM, class_names=tuple("abcdefg"), provenance={"data": "watch", "seed": "0"})
    header = emit(program)["probe.h"]
    for pattern in (
        rf'#define PROBE_MODEL_ID "{program.identity}"',
        r"#define PROBE_NUM_INPUTS 57\n",
        r"#define PROBE_NUM_CLASSES 7\n",
        rf"#define PROBE_SCRATCH_BYTES {scratch_bytes(program)}\n",
        r"int label = probe_predict\(x\);",
        r"weights +16384\b",
        r"tables +4096\b",
        rf"scratch +{scratch_bytes(program)}\b",
        rf" 0  dense +57 +32 +4 +14592 +14592 +2048 +0.02 +{int(program.layers[0].bounds.max())}\n",
        r" 6  g\n",
        r"data +watch\n",
        *(rf" {n} .*  input {n}\n" for n in (0, 56)),
    ):
        assert re.search(pattern, header), pattern


def test_scratch_is_the_sum_of_the_arrays_that_are_alive_together() -> None:
    """Counted in the text: predict, predict_q, scores_q, the layer, and the kernel that it calls."""
    text = without_comments(emit(PROGRAM)["probe.c"])
    sizes = {"int8_t": 1, "int32_t": 4, "PROBE_NUM_INPUTS": 57, "PROBE_NUM_CLASSES": 7}
    arrays: dict[str, int] = {}
    for function, body in re.findall(r"^[\w *]*\b(probe_\w+)\([^)]*\)\n\{\n(.*?)^\}", text, re.MULTILINE | re.DOTALL):
        found = re.findall(r"^    (int8_t|int32_t) \w+\[(\w+)\];", body, re.MULTILINE)
        arrays[function] = sum(sizes[kind] * (sizes.get(length) or int(length)) for kind, length in found)
    outer = arrays["probe_predict"] + arrays["probe_predict_q"] + arrays["probe_scores_q"]
    assert outer + arrays["probe_layer_0"] + arrays["probe_dense_4x2"] == scratch_bytes(PROGRAM)


@pytest.mark.parametrize(("outputs", "harmonics"), [(n, k) for n in range(1, 10) for k in (1, 2, 3)])
def test_packing_puts_every_weight_where_the_kernel_looks(outputs: int, harmonics: int) -> None:
    layer = random_program((3, outputs), harmonics).layers[0]
    assert isinstance(layer, DenseLayer)
    words, packed = dense.words(layer), dense.pack_weights(layer)
    assert sum(panel.size for panel in packed) == dense.cost(layer, last=True).weights == 4 * words * 3 * outputs
    for output in range(outputs):
        for i in range(3):
            for feature in range(4 * words):
                row = packed[output // 4][i * words + feature // 4]
                expected = layer.weights[output, i, feature] if feature < 2 * harmonics else 0
                assert row[4 * (output % 4) + feature % 4] == expected
    assert not dense.pack_table(layer)[:, 2 * harmonics :].any()


def test_costs_are_exact() -> None:
    first, last = cost(PROGRAM)
    assert (first.weights, first.tables, first.constants, first.macs) == (14592, 2048, 9 * 32, 14592)
    assert (last.weights, last.tables, last.constants, last.macs) == (1792, 2048, 9 * 7, 1792)
    sparse, _ = cost(SPARSE)
    assert (sparse.weights, sparse.tables, sparse.scratch, sparse.flash) == (37 * 6, 0, 24, 37 * 6 + 54)


def test_one_scaling_for_all_inputs_needs_no_table() -> None:
    assert "probe_offset" not in emit(SPARSE)["probe.c"]
    assert "37 inputs, all alike" in emit(SPARSE)["probe.h"]


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_float_literals_are_exact(value: float) -> None:
    text = float_literal(np.float32(value))
    assert text.endswith("f")
    assert np.float32(text[:-1]) == np.float32(value)
    assert re.search(r"[.e]", text)


@given(st.text())
def test_string_literals_mean_what_was_given(text: str) -> None:
    literal = string_literal(text)
    assert literal.isascii()
    assert literal.isprintable()
    assert "??" not in literal
    assert ast.literal_eval("b" + literal) == text.encode("utf-8", "backslashreplace")


@given(st.text(alphabet=st.one_of(st.sampled_from('*/?\\"\n'), st.characters())))
def test_comment_text_cannot_end_the_comment(text: str) -> None:
    safe = comment_text(text)
    assert safe.isascii()
    assert safe.isprintable()
    assert not re.search(r"\*/|/\*|\?\?", safe)


def test_no_number_of_question_marks_makes_a_trigraph() -> None:
    """The trigraph for a backslash would splice a comment's last line to what follows."""
    for length in range(2, 6):
        assert comment_text("?" * length + "/") == " ".join("?" * length) + "/"


SYNTAX = [
    *([[*HOST_COMPILERS["gcc"], "-x", "c", "-std=c99"]] if "gcc" in HOST_COMPILERS else []),
    *([[*CPP_COMPILERS["clang++"], "-x", "c++", "-std=c++11"]] if "clang++" in CPP_COMPILERS else []),
]


@pytest.mark.skipif(not SYNTAX, reason="no C compiler on this machine")
@settings(max_examples=15, deadline=None)
@given(st.lists(st.text(alphabet=st.one_of(st.sampled_from('*/?\\"%\n\r'), st.characters())), min_size=3, max_size=3))
def test_any_text_compiles(texts: list[str]) -> None:
    base = random_program((3, 3), 1)
    step = replace(base.input, names=tuple(texts))
    files = emit(replace(base, input=step, class_names=tuple(texts), provenance={texts[0]: texts[1]}))
    header, source = files["probe.h"], files["probe.c"].replace('#include "probe.h"', "")
    for compiler in SYNTAX:
        done = subprocess.run(
            [*compiler, *STRICT, "-fsyntax-only", "-"],
            input=header + source,
            text=True,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr


@given(st.from_regex(r"[A-Za-z][A-Za-z0-9]{0,12}(_[A-Za-z0-9]{1,8}){0,2}", fullmatch=True))
def test_a_name_is_accepted_or_the_suggestion_is(name: str) -> None:
    try:
        check_name(name)
    except InputError as error:
        check_name(re.search(r"try '(\w+)'", str(error)).group(1))  # type: ignore[union-attr]


@given(st.text())
def test_a_refused_name_comes_with_one_that_passes(name: str) -> None:
    try:
        check_name(name)
    except InputError as error:
        message = str(error)
    else:
        message = ""
    if message:
        assert len(message.splitlines()) == 1
        check_name(re.search(r"try '(\w+)'$", message).group(1))  # type: ignore[union-attr]
    else:
        assert re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name, re.ASCII)


@pytest.mark.parametrize(
    "name",
    [
        *C_KEYWORDS,
        *CPP_KEYWORDS,
        "main",
        "int8_t",
        "uint32_t",
        "size_t",
        "stdint",
        "math",
        "con",
        "",
        "_x",
        "a__b",
        "x_",
        "7up",
        "my-model",
        "zwölf",
        "a b",
        "x/y",
        "../x",
        "x" * 41,
        "watch_golden",
        "FLOAT",
        "NULL",
    ],
)
def test_names_that_cannot_be_used(name: str) -> None:
    with pytest.raises(InputError, match=r"cannot be used: .*; try '"):
        check_name(name)
    with pytest.raises(InputError):
        emit_c(replace(PROGRAM, name=name), TARGETS["host"], golden(PROGRAM))


@pytest.mark.parametrize("name", ["watch", "Watch2", "shoulder_exercises", "x", "floaty", "m0"])
def test_names_that_can(name: str) -> None:
    check_name(name)


@pytest.mark.skipif(not shutil.which("gcc") or platform.machine() != "x86_64", reason="needs gcc on x86")
@pytest.mark.parametrize(
    ("flag", "message"),
    [("-ffast-math", "fast-math"), ("-ffinite-math-only", "fast-math"), ("-mfpmath=387", "in float")],
)
def test_compilers_that_would_change_a_code_are_refused(flag: str, message: str) -> None:
    files = emit(PROGRAM)
    text = files["probe.h"] + files["probe.c"].replace('#include "probe.h"', "")
    command = ["gcc", "-x", "c", "-std=c99", "-fsyntax-only", flag, "-"]
    done = subprocess.run(command, input=text, text=True, capture_output=True, check=False)
    assert done.returncode != 0
    assert message in done.stderr
