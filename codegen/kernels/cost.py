"""What one layer costs, exactly: bytes of constants, bytes of stack, multiply-accumulates."""

from __future__ import annotations

from dataclasses import dataclass

REQUANTISE_BYTES = 9  # an output's bias, multiplier and shift


@dataclass(frozen=True)
class Cost:
    weights: int  # bytes of flash, packed
    tables: int  # bytes of flash, padded
    constants: int  # bytes of flash: biases, multipliers, shifts
    scratch: int  # bytes of stack while the layer runs, its input and output codes not among them
    macs: int  # multiply-accumulates; for a sparse layer, additions when every input is 1

    @property
    def flash(self) -> int:
        return self.weights + self.tables + self.constants
