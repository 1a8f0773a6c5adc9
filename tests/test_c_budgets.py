"""What the generated C may cost on a Cortex-M4F, whole functions measured, with each compiler of this machine."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from machines import ARM, EMULATED, emit
from programs import random_inputs, random_program

from kangen.codegen.c import cost
from kangen.codegen.program import Program
from kangen.runtimes import emulated, evidence
from kangen.runtimes.cores import CORES
from kangen.runtimes.records import expected
from kangen.runtimes.toolchains import Compiler, Workbench

M4 = CORES["m4"]
RUNS = [emulator for core, _, emulator in EMULATED if core is M4]
pytestmark = pytest.mark.skipif(not RUNS, reason="no ARM compiler or no emulator on this machine")

INSTRUCTIONS_PER_MAC = 1.6
FLASH_BESIDE_WEIGHTS_AND_TABLES = 3 * 1024
FLAGSHIP = random_program((57, 32, 7), 4)
SHAPES = {
    "flagship": FLAGSHIP,
    "three layers, odd": random_program((57, 23, 9, 7), 3),
    "bag of words": random_program((1433, 64, 7), 3, binary=True),
}


@dataclass(frozen=True)
class Built:
    program: Program
    compiler: Compiler
    sources: dict[str, bytes]
    bench: Workbench

    def measured(self) -> evidence.CoreResult:
        x = random_inputs(self.program, 12)
        wanted = expected(self.program, x)
        return evidence.verify_core(
            "m4", self.sources, "probe", x, wanted, self.bench, compiler=self.compiler.name, emulator=RUNS[0]
        )


@pytest.fixture(scope="module")
def bench():
    with Workbench() as workbench:
        yield workbench


@pytest.fixture(scope="module", params=ARM, ids=lambda compiler: compiler.family)
def flagship(request, bench) -> Built:
    return Built(FLAGSHIP, request.param, emit(FLAGSHIP), bench)


def test_all_of_predict_q_takes_at_most_1_6_instructions_a_mac(flagship):
    spread = flagship.measured().instructions["predict_q"]
    assert spread.most <= INSTRUCTIONS_PER_MAC * FLAGSHIP.macs, f"{spread.most / FLAGSHIP.macs:.3f} a MAC"


def test_the_budget_of_instructions_can_be_missed(flagship, bench):
    """The same count of the same source without optimisation, or the test above would prove nothing."""
    x = random_inputs(FLAGSHIP, 1)
    slow = emulated.run_emulated(
        M4, flagship.compiler, RUNS[0], flagship.sources, "probe", x, bench, probes=1, level="-O0"
    )
    assert slow.instructions["predict_q"].least > INSTRUCTIONS_PER_MAC * FLAGSHIP.macs


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("compiler", ARM, ids=lambda compiler: compiler.family)
def test_memory_stays_within_its_budget(compiler, shape, bench):
    program = SHAPES[shape]
    result = Built(program, compiler, emit(program), bench).measured()
    assert result.good, result.status
    arrays = sum(layer.weights + layer.tables for layer in cost(program))
    assert arrays < result.flash <= arrays + FLASH_BESIDE_WEIGHTS_AND_TABLES, f"{result.flash - arrays} bytes beside"
    assert result.data == result.bss == 0
    for function in emulated.MEASURED:
        painted, bound = result.stack_painted[function], result.stack_bound[function]
        assert bound is not None, result.stack_unknown
        assert 0 < painted <= bound, f"{function} painted {painted}, bound {bound}"
    # quantise and predict have arrays of their own: more than the header declares can only be saved registers.
    assert result.scratch < result.stack_bound["predict"] < result.scratch + 256
