"""What the C can be generated for: one row a target."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """``dsp``: the two-MACs-an-instruction path is left out, used where the compiler offers it, or insisted on.
    ``multiply``: requantising multiplies by one 64-bit product, by 16-bit pieces, or by what the core has."""

    name: str
    summary: str
    cores: tuple[str, ...]  # the emulated cores that `kangen verify` runs it on
    dsp: str  # "never", "where offered", "always"
    multiply: str  # "wide", "narrow", "either"

    @property
    def features(self) -> tuple[str, ...]:
        """What sets this target's source apart, for a table."""
        dsp = {"never": "portable C", "where offered": "portable C + DSP", "always": "DSP"}[self.dsp]
        multiply = {
            "wide": "64-bit products",
            "narrow": "products from 16-bit pieces",
            "either": "64-bit products where the core has them",
        }[self.multiply]
        return dsp, multiply


TARGETS: dict[str, Target] = {
    target.name: target
    for target in (
        Target(
            "cortex-m",
            "any Cortex-M: one portable source, the DSP instructions where the compiler has them",
            ("m0", "m0plus", "m3", "m4", "m7", "m33", "m55"),
            dsp="where offered",
            multiply="either",
        ),
        Target("cortex-m0plus", "Cortex-M0, M0+ and M23", ("m0", "m0plus"), dsp="never", multiply="narrow"),
        Target("cortex-m3", "Cortex-M3", ("m3",), dsp="never", multiply="wide"),
        Target("cortex-m4", "Cortex-M4 with or without FPU", ("m4",), dsp="always", multiply="wide"),
        Target("cortex-m7", "Cortex-M7", ("m7",), dsp="always", multiply="wide"),
        Target("cortex-m33", "Cortex-M33 and M35P with DSP", ("m33",), dsp="always", multiply="wide"),
        Target("cortex-m55", "Cortex-M55, without Helium", ("m55",), dsp="always", multiply="wide"),
        Target("host", "any C99 or C++11 compiler, portable C only", (), dsp="never", multiply="wide"),
    )
}
