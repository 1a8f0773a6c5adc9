"""What an emulated core does wrong is said in one line, with the place: faults, hangs, deep stacks, big models."""

from __future__ import annotations

import re

import pytest
from machines import ARM, EMULATED, emit, with_one_weight_changed, with_statement
from programs import random_inputs, random_program

from kangen.runtimes import emulated, evidence
from kangen.runtimes.cores import CORES
from kangen.runtimes.elf import Image
from kangen.runtimes.firmware import compile_object, link
from kangen.runtimes.records import expected
from kangen.runtimes.stack import StackAnalysis
from kangen.runtimes.toolchains import Workbench

pytestmark = pytest.mark.skipif(not EMULATED, reason="no ARM compiler or no emulator on this machine")
EMULATORS = sorted({pair[2] for pair in EMULATED})
PROGRAM = random_program((11, 9, 5), 2, name="probe")
X = random_inputs(PROGRAM, 5)


@pytest.fixture(scope="module")
def bench():
    with Workbench() as workbench:
        yield workbench


@pytest.fixture(scope="module")
def sources() -> dict[str, bytes]:
    return emit(PROGRAM)


def verify(sources, bench, emulator, core="m3", **options):
    return evidence.verify_core(core, sources, "probe", X, expected(PROGRAM, X), bench, emulator=emulator, **options)


@pytest.mark.parametrize("emulator", EMULATORS)
def test_a_changed_weight_is_a_difference_on_a_core(emulator, sources, bench):
    result = verify(with_one_weight_changed(sources), bench, emulator)
    assert not result.good
    assert result.difference is not None
    assert result.difference.field == "scores"
    assert re.fullmatch(
        rf"failed: self-test: golden vector \d differs; {re.escape(str(result.difference))}", result.status
    )


@pytest.mark.parametrize("emulator", EMULATORS)
def test_a_fault_is_said_with_its_place(emulator, sources, bench):
    wrong = with_statement(sources, b'__asm__ volatile("udf #1");')
    result = verify(wrong, bench, emulator)
    assert "probe_" in result.failure
    assert "at pc 0x" in result.failure


@pytest.mark.parametrize("emulator", EMULATORS)
def test_a_wild_read_is_said_with_its_place(emulator, sources, bench):
    wrong = with_statement(sources, b"saturated = *(volatile int *)0xC0000000;")
    result = verify(wrong, bench, emulator)
    assert "at pc 0x" in result.failure
    assert "probe_" in result.failure


@pytest.mark.parametrize("emulator", EMULATORS)
def test_a_model_that_hangs_is_stopped_and_said_where(emulator, sources, bench):
    wrong = with_statement(sources, b'for (;;) { __asm__ volatile("nop"); }')
    result = verify(wrong, bench, emulator, limit=1.5)
    assert "did not finish within 2 s; stopped at pc 0x" in result.failure
    assert "probe_" in result.failure


@pytest.mark.parametrize("emulator", EMULATORS)
def test_more_stack_than_was_declared_is_said(emulator, sources, bench):
    wrong = with_statement(sources, b"volatile char deep[3000]; for (int i = 0; i < 3000; i++) { deep[i] = 1; }")
    assert "more stack than its header declares" in verify(wrong, bench, emulator).failure


@pytest.mark.parametrize("emulator", EMULATORS)
def test_variables_that_are_written_are_refused(emulator, sources, bench):
    wrong = with_statement(sources, b"static volatile int calls; calls++;")
    assert "variables of its own (0 bytes of .data, 4 of .bss)" in verify(wrong, bench, emulator).failure


def test_c_that_does_not_compile_is_a_failure_with_the_compilers_words(sources, bench):
    result = verify({**sources, "probe.c": b"int probe(;\n"}, bench, None)
    assert "error" in result.failure
    assert not result.good


@pytest.mark.skipif("qemu" not in EMULATORS, reason="QEMU is not installed")
def test_a_model_too_big_for_a_board_is_said_with_the_bytes(bench):
    big = random_program((4000, 3), binary=True, name="probe")
    x = random_inputs(big, 2)
    result = evidence.verify_core("m0", emit(big), "probe", x, expected(big, x), bench, emulator="qemu")
    assert "bytes of RAM, and the emulated board (microbit) has 16,384" in result.not_run


@pytest.mark.skipif(EMULATORS != ["qemu", "unicorn"], reason="needs both emulators")
def test_a_model_too_big_for_a_board_runs_where_there_is_no_board(bench):
    big = random_program((4000, 3), binary=True, name="probe")
    x = random_inputs(big, 2)
    result = evidence.verify_core("m0", emit(big), "probe", x, expected(big, x), bench)
    assert result.good, result.status
    assert result.emulator.name == "unicorn"


@pytest.mark.parametrize("emulator", EMULATORS)
def test_many_classes_leave_room_for_the_self_test(emulator, bench):
    many = random_program((5, 6, 500), name="probe")
    x = random_inputs(many, 2)
    result = evidence.verify_core("m3", emit(many), "probe", x, expected(many, x), bench, emulator=emulator)
    assert result.good, result.status


@pytest.mark.skipif("qemu" not in EMULATORS, reason="QEMU is not installed")
def test_counts_too_long_for_the_clock_are_taken_with_a_slower_one(sources, bench):
    slow = with_statement(sources, b'for (int i = 0; i < 2000000; i++) { __asm__ volatile("nop"); }')
    ran = emulated.run_emulated(CORES["m3"], ARM[0], "qemu", slow, "probe", X[:2], bench, probes=1)
    assert 6_000_000 <= ran.instructions["quantise"].mean < 9_000_000


# ---- The stack bound, on small pieces of C

PIECES = {
    "leaf": ("int f(int a) { return a + 1; }", 0, ""),
    "indirect": ("int f(int (*g)(int)) { return g(1) + 1; }", None, "f calls through a pointer"),
    "recursive": (
        "__attribute__((noinline)) int g(int a) { volatile int b = a; return a ? g(a - 1) * b + g(a - 2) : 0; }"
        "int f(int a) { return g(a) + 1; }",
        None,
        "g calls itself",
    ),
    "variable": (
        "void use(char *p); __attribute__((noinline)) void use(char *p) { *(volatile char *)p = 1; }"
        "int f(int n) { char a[n]; use(a); return a[0]; }",
        None,
        "f sets the stack pointer from data",
    ),
}


@pytest.mark.parametrize("compiler", ARM, ids=lambda compiler: compiler.family)
@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.parametrize("name", ["m0", "m4", "m55"])
def test_a_bound_is_proven_or_refused_with_the_reason(name, piece, compiler, bench):
    core = CORES[name]
    code, bound, reason = PIECES[piece]
    text = (code + "\nvoid harness_reset(void); void harness_reset(void) { }\n").encode()
    made = compile_object(bench, core, compiler, {"piece.c": text}, "piece.c", ("-O1", "-fno-optimize-sibling-calls"))
    image = Image(link(bench, core, compiler, core.board, {"piece.o": made}, ["f"]).read_bytes())
    found = StackAnalysis(image, core.wide).bound("f")
    assert found.bytes == bound
    assert reason in found.reason


def test_large_frames_are_bounded_where_the_offset_comes_from_a_constant(bench):
    code = b"""
        void use(volatile char *p); __attribute__((noinline)) void use(volatile char *p) { *p = 1; }
        int f(int n) { volatile char a[3000]; a[n] = 2; use(a); return a[n]; }
        void harness_reset(void); void harness_reset(void) { }
    """
    for core in (CORES["m0"], CORES["m4"]):
        for compiler in ARM:
            made = compile_object(bench, core, compiler, {"piece.c": code}, "piece.c", ("-O2",))
            image = Image(link(bench, core, compiler, core.board, {"piece.o": made}, ["f"]).read_bytes())
            bound = StackAnalysis(image, core.wide).bound("f")
            assert bound.bytes is not None, bound.reason
            assert 3000 <= bound.bytes < 3100


def test_spread_is_over_the_measured_rows():
    assert emulated.Spread.of([4, 8, 6]) == emulated.Spread(6.0, 4, 8)
