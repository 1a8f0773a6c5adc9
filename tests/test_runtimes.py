"""The generated C, compiled and run: on this machine, and on emulated cores, byte for byte against the reference."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
from machines import ARM, EMULATED, HOST, emit, with_one_weight_changed, with_statement
from programs import random_inputs, random_program

from kangen.codegen.program import Program
from kangen.distill.errors import InputError
from kangen.runtimes import checks, emulated, evidence, host, toolchains
from kangen.runtimes.cores import CORES
from kangen.runtimes.records import Observed, compare, expected
from kangen.runtimes.toolchains import CompileError, Workbench

PAIRS = [pytest.param(*pair, id=f"{pair[0].name}-{pair[1]}-{pair[2]}") for pair in EMULATED]
needs_host = pytest.mark.skipif(not HOST, reason="no C compiler on this machine")
needs_core = pytest.mark.skipif(not PAIRS, reason="no ARM compiler or no emulator on this machine")

ROWS = 40


@pytest.fixture(scope="module")
def bench():
    with Workbench() as workbench:
        yield workbench


@pytest.fixture(scope="module")
def program() -> Program:
    return random_program((37, 9, 5), 2, name="probe")


@pytest.fixture(scope="module")
def sources(program: Program) -> dict[str, bytes]:
    return emit(program)


@pytest.fixture(scope="module")
def x(program: Program) -> np.ndarray:
    return random_inputs(program, ROWS)


@pytest.fixture(scope="module")
def wanted(program: Program, x: np.ndarray) -> Observed:
    return expected(program, x)


# ---- This machine


@needs_host
@pytest.mark.parametrize("level", toolchains.LEVELS)
@pytest.mark.parametrize("compiler", HOST, ids=lambda compiler: compiler.family)
def test_the_host_computes_the_bytes_of_the_reference(compiler, level, sources, x, wanted, bench):
    model = host.compile_host(sources, "probe", compiler, level, bench)
    assert model.self_test() == 0
    assert compare(model.run(x), wanted) is None


@needs_host
def test_the_callable_takes_sparse_rows(bench):
    program = random_program((40, 6, 3), binary=True, name="words")
    x = random_inputs(program, 30)
    x[0] = 0
    model = host.compile_host(emit(program), "words", workbench=bench)
    assert compare(model.run(sp.csr_matrix(x)), expected(program, x)) is None


@needs_host
def test_a_callable_without_a_workbench_takes_its_folder_along(sources, x, wanted):
    model = host.compile_host(sources, "probe")
    assert compare(model.run(x), wanted) is None


@needs_host
def test_rows_of_a_wrong_width_are_refused(sources, bench):
    model = host.compile_host(sources, "probe", workbench=bench)
    with pytest.raises(InputError, match="probe takes rows of 37 inputs"):
        model.run(np.zeros((3, 10), np.float32))


@needs_host
def test_one_changed_weight_is_found_with_row_and_field(sources, x, wanted, bench):
    model = host.compile_host(with_one_weight_changed(sources), "probe", workbench=bench)
    difference = compare(model.run(x), wanted)
    assert difference is not None
    assert difference.field == "scores"
    assert difference.expected != difference.got
    assert str(difference).startswith(f"row {difference.row}, scores[{difference.column}]: expected ")


def test_the_first_difference_is_the_earliest_row_and_the_earliest_field(wanted):
    labels, codes = wanted.labels.copy(), wanted.codes.copy()
    labels[3] += 1
    codes[5, 2] ^= 1
    assert str(compare(replace(wanted, labels=labels, codes=codes), wanted)).startswith("row 3, labels:")
    codes[3, 1] ^= 1
    assert str(compare(replace(wanted, labels=labels, codes=codes), wanted)).startswith("row 3, codes[1]:")


@needs_host
@pytest.mark.parametrize("compiler", HOST, ids=lambda compiler: compiler.family)
def test_sanitizers_find_nothing(compiler, sources, x, bench):
    report = host.run_sanitised(sources, "probe", x, compiler, bench)
    assert report.finding is None
    assert "undefined" in report.checks


@needs_host
@pytest.mark.parametrize("compiler", HOST, ids=lambda compiler: compiler.family)
def test_sanitizers_find_a_signed_overflow(compiler, sources, x, bench):
    wrong = with_statement(sources, b"volatile int most = 2147483647; most = most + 1;")
    finding = host.run_sanitised(wrong, "probe", x, compiler, bench).finding
    assert finding is not None
    assert "overflow" in finding


@needs_host
@pytest.mark.parametrize("compiler", [c for c in HOST if c.family != "zig"], ids=lambda compiler: compiler.family)
def test_sanitizers_find_one_byte_too_many(compiler, sources, x, bench):
    wrong = with_statement(sources, b"codes[PROBE_NUM_INPUTS] = 0;")
    finding = host.run_sanitised(wrong, "probe", x, compiler, bench).finding
    assert finding is not None
    assert "buffer-overflow" in finding


@needs_host
@pytest.mark.parametrize("compiler", HOST, ids=lambda compiler: compiler.family)
def test_a_wrong_model_under_sanitizers_is_named_and_not_its_leaks(compiler, sources, x, bench):
    finding = host.run_sanitised(with_one_weight_changed(sources), "probe", x, compiler, bench).finding
    assert finding == "self-test: golden vector 1 differs"


@needs_host
def test_a_failed_self_test_comes_with_the_first_row_that_differs(sources, x, wanted, bench):
    wrong = with_one_weight_changed(sources)
    result = evidence.verify_host(wrong, "probe", x, wanted, HOST[0], "-O2", bench)
    assert not result.good
    assert result.status.startswith("failed: self-test: golden vector 1 differs; row 0, scores[0]: expected ")


@needs_host
@pytest.mark.parametrize("cpp", [False, True], ids=["C", "C++"])
@pytest.mark.parametrize("compiler", HOST, ids=lambda compiler: compiler.family)
def test_the_strictest_flags_say_nothing(compiler, cpp, sources, bench):
    assert checks.strict_diagnostics(sources, "probe", compiler, cpp=cpp, bench=bench) == ()


@needs_host
def test_a_narrowing_conversion_is_reported(sources, bench):
    bad = {
        **sources,
        "probe.c": sources["probe.c"] + b"\nsigned char bad(int v);\nsigned char bad(int v) { return v; }\n",
    }
    found = checks.strict_diagnostics(bad, "probe", HOST[0], bench=bench)
    assert any("conversion" in line for line in found)


@pytest.mark.skipif(checks.find_cppcheck() is None, reason="cppcheck is not installed")
def test_cppcheck_finds_nothing(sources):
    assert checks.cppcheck_findings(sources, "probe") == ()


def test_equal_sources_are_compiled_once(sources, bench):
    if not HOST:
        pytest.skip("no C compiler on this machine")
    arguments = ("-c", "probe.c")
    first, _ = bench.build(HOST[0], sources, arguments, "once.o")
    stamp = first.stat().st_mtime_ns
    again, _ = bench.build(HOST[0], sources, arguments, "once.o")
    assert (again, again.stat().st_mtime_ns) == (first, stamp)


@needs_host
def test_a_workbench_leaves_nothing_behind(sources):
    with Workbench() as own:
        path, _ = own.build(HOST[0], sources, ("-c", "probe.c"), "probe.o")
        assert path.is_file()
    assert not path.parent.parent.exists()


@needs_host
def test_c_that_does_not_compile_is_one_clear_line(sources, bench):
    with pytest.raises(CompileError, match="error"):
        host.compile_host({**sources, "probe.c": b"int probe(;\n"}, "probe", workbench=bench)


def test_a_missing_file_of_the_model_is_named(sources):
    with pytest.raises(InputError, match=r"probe_golden\.h is not among the generated files"):
        host.compile_host({key: value for key, value in sources.items() if key != "probe_golden.h"}, "probe")


def test_an_unknown_compiler_is_refused_with_those_that_are_known():
    with pytest.raises(InputError, match="no compiler 'tcc' on this machine"):
        toolchains.choose(HOST, "tcc", toolchains.HOST_CURE)


# ---- A machine without tools


@pytest.fixture
def bare_machine(monkeypatch, tmp_path):
    """Nothing on PATH, and none of the Python packages that bring a compiler or an emulator."""
    import importlib.util

    find_spec = importlib.util.find_spec
    hidden = {"ziglang", "unicorn"}
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name in hidden else find_spec(name, *more)
    )


@pytest.mark.usefixtures("bare_machine")
def test_a_machine_without_compilers_says_so(sources, x, wanted, bench):
    assert toolchains.host_compilers() == toolchains.arm_compilers() == ()
    with pytest.raises(InputError, match=r"no C compiler on this machine; install gcc or clang, or 'pip install"):
        host.compile_host(sources, "probe", workbench=bench)
    result = evidence.verify_core("m4", sources, "probe", x, wanted, bench)
    assert not result.good
    assert result.status.startswith(
        "not run: no C compiler on this machine; install gcc-arm-none-eabi, or 'pip install"
    )


@pytest.mark.usefixtures("bare_machine")
def test_a_machine_without_cppcheck_says_so(sources):
    assert checks.find_cppcheck() is None
    assert checks.cppcheck_findings(sources, "probe") is None


@pytest.mark.skipif(not ARM, reason="no ARM compiler on this machine")
def test_a_machine_without_emulators_says_so(sources, x, wanted, bench, monkeypatch):
    monkeypatch.setattr(evidence, "emulators", lambda core: {})
    result = evidence.verify_core("m0", sources, "probe", x, wanted, bench)
    assert result.not_run == (
        "no emulator of the Cortex-M0 on this machine; install qemu-system-arm, or run 'pip install kangen[emulate]'"
    )
    assert result.compiler is not None
    assert not result.good


@pytest.mark.skipif(not ARM, reason="no ARM compiler on this machine")
def test_a_core_that_an_emulator_does_not_model_is_not_passed_over(sources, x, wanted, bench):
    result = evidence.verify_core("m55", sources, "probe", x, wanted, bench, emulator="unicorn")
    assert result.not_run == "unicorn does not model the Cortex-M55; install qemu-system-arm"
    assert result.as_json()["good"] is False


def test_unknown_cores_and_emulators_are_refused(sources, x, wanted, bench):
    with pytest.raises(InputError, match="unknown core 'm44': did you mean 'm4'"):
        evidence.verify_core("m44", sources, "probe", x, wanted, bench)
    if ARM:
        with pytest.raises(InputError, match="unknown emulator 'renode'"):
            evidence.verify_core("m4", sources, "probe", x, wanted, bench, emulator="renode")


# ---- Emulated cores


@needs_core
@pytest.mark.parametrize(("core", "compiler", "emulator"), PAIRS)
def test_a_core_computes_the_bytes_of_the_reference(core, compiler, emulator, sources, x, wanted, bench):
    result = evidence.verify_core(
        core.name, sources, "probe", x, wanted, bench, compiler=compiler, emulator=emulator, probes=3
    )
    assert result.good, result.status
    assert result.rows == ROWS
    assert result.compiler.name in ("arm-none-eabi-gcc", "zig")
    assert result.emulator.name == emulator
    assert result.data == result.bss == 0
    for name in emulated.MEASURED:
        count, painted, bound = (item[name] for item in (result.instructions, result.stack_painted, result.stack_bound))
        assert 50 < count.least <= count.mean <= count.most
        assert bound is not None, result.stack_unknown
        assert painted <= bound <= painted + 8  # a pad word may stay unwritten


@pytest.mark.skipif(len(ARM) == 0, reason="no ARM compiler on this machine")
@pytest.mark.parametrize("name", ["m0", "m3", "m4", "m33"])
def test_both_emulators_count_the_same_instructions(name, sources, x, bench):
    core = CORES[name]
    if len(emulated.emulators(core)) < 2:
        pytest.skip("only one emulator on this machine")
    counts = [
        emulated.run_emulated(core, ARM[0], emulator, sources, "probe", x, bench, probes=3).instructions
        for emulator in emulated.EMULATORS
    ]
    assert counts[0] == counts[1]
