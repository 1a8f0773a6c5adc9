"""The Program: a trained student as integers, with nothing left to decide.

Every emitter reads it, and none computes a number of its own. Loads without torch.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from kangen.distill.errors import InputError
from kangen.distill.files import read_tensors, tensor_bytes, write_atomic

FORMAT = "kangen-program-1"
ACCUMULATOR_MAX = 2**31 - 1 - 256  # room for the zero point that requantising adds

Int8s = npt.NDArray[np.int8]
Int32s = npt.NDArray[np.int32]
Float32s = npt.NDArray[np.float32]


@dataclass(frozen=True)
class InputStep:
    """How a measurement becomes a code: ``clamp(round((x - offset) * gain) + zero, lowest, highest)``.

    ``doubled_gain`` is stored because the C truncates half units and rounds in integers. NaN becomes ``zero``.
    """

    offset: Float32s  # [inputs]
    doubled_gain: Float32s  # [inputs]
    zero: int
    lowest: int
    highest: int
    names: tuple[str, ...]


@dataclass(frozen=True)
class Requantise:
    """int32 to int8: ``clamp(round(acc * multiplier / 2^(31 + shift)) + zero)``, in the two roundings of TFLite."""

    multiplier: Int32s  # [outputs], in [2^30, 2^31)
    shift: Int32s  # [outputs], right shift after the high multiply, 0..31
    zero: int


@dataclass(frozen=True)
class DenseLayer:
    """Value-table rows times int8 weights."""

    kernel: ClassVar[str] = "dense"
    table: Int8s  # [256, 2K]: row code + 128 holds cos and sin of every harmonic
    weights: Int8s  # [outputs, inputs, 2K]
    bias: Int32s  # [outputs]
    requantise: Requantise

    @property
    def inputs(self) -> int:
        return int(self.weights.shape[1])

    @property
    def outputs(self) -> int:
        return int(self.weights.shape[0])

    @property
    def harmonics(self) -> int:
        return int(self.table.shape[1]) // 2

    @property
    def macs(self) -> int:
        return int(self.weights.size)

    @cached_property
    def bounds(self) -> npt.NDArray[np.int64]:
        """The largest magnitude that each accumulator, and each partial sum on the way, can reach."""
        largest = np.abs(self.table.astype(np.int64)).max(axis=0)  # [2K]
        sums: npt.NDArray[np.int64] = (np.abs(self.weights.astype(np.int64)) @ largest).sum(axis=1)
        return sums + np.abs(self.bias.astype(np.int64))


@dataclass(frozen=True)
class SparseLayer:
    """For inputs of 0 and 1: the zeros are in the bias, each 1 adds its row."""

    kernel: ClassVar[str] = "sparse"
    rows: Int8s  # [inputs, outputs]
    bias: Int32s  # [outputs]
    requantise: Requantise

    @property
    def inputs(self) -> int:
        return int(self.rows.shape[0])

    @property
    def outputs(self) -> int:
        return int(self.rows.shape[1])

    @property
    def macs(self) -> int:
        """Additions when every input is 1."""
        return int(self.rows.size)

    @cached_property
    def bounds(self) -> npt.NDArray[np.int64]:
        sums: npt.NDArray[np.int64] = np.abs(self.rows.astype(np.int64)).sum(axis=0)
        return sums + np.abs(self.bias.astype(np.int64))


Layer = DenseLayer | SparseLayer
KERNELS: dict[str, type[DenseLayer] | type[SparseLayer]] = {cls.kernel: cls for cls in (DenseLayer, SparseLayer)}


@dataclass(frozen=True)
class Program:
    """The accumulators of the last layer share one scale, so the label is their arg max (lowest index on ties);
    its ``requantise`` makes the int8 logit codes, worth ``logit_scale`` each, counted from its zero."""

    name: str
    input: InputStep
    layers: tuple[Layer, ...]
    class_names: tuple[str, ...]
    code_scales: tuple[float, ...]  # what one step of each layer's input code is worth: documentation, not arithmetic
    score_scale: float  # what one unit of the last accumulators is worth as a logit: likewise
    logit_scale: float
    probability: npt.NDArray[np.uint16]  # [256]: exp(-logit_scale · d) in units of 2^-15, d codes below the best
    provenance: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check(self)

    @property
    def inputs(self) -> int:
        return self.layers[0].inputs

    @property
    def classes(self) -> int:
        return self.layers[-1].outputs

    @property
    def macs(self) -> int:
        return sum(layer.macs for layer in self.layers)

    @cached_property
    def identity(self) -> str:
        """The hash of the content, as 16 hexadecimal digits."""
        tensors, header = _to_parts(self)
        digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
        for name in sorted(tensors):
            array = np.ascontiguousarray(tensors[name])
            digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
            digest.update(array.tobytes())
        return digest.hexdigest()[:16]

    def pack(self) -> bytes:
        """The content of the file that ``load`` reads."""
        tensors, header = _to_parts(self)
        metadata = {"format": FORMAT, "identity": self.identity, "program": json.dumps(header, sort_keys=True)}
        return tensor_bytes(tensors, metadata)

    def save(self, path: Path) -> None:
        write_atomic(path, self.pack())

    @staticmethod
    def load(path: Path) -> Program:
        cure = "build it again with 'kangen build'"
        tensors, metadata = read_tensors(path, cure)
        if metadata.get("format") != FORMAT:
            raise InputError(f"{path} is not a kangen Program of format {FORMAT}; {cure}")
        try:
            program = _from_parts(tensors, json.loads(metadata["program"]))
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise InputError(f"{path} is damaged ({type(error).__name__}: {error}); {cure}") from error
        if program.identity != metadata.get("identity"):
            raise InputError(f"{path} was changed after it was written (its content hash differs); {cure}")
        return program


def _to_parts(program: Program) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]:
    tensors: dict[str, npt.NDArray[Any]] = {"probability": program.probability}

    def split(value: Any, prefix: str) -> dict[str, Any]:
        header: dict[str, Any] = {}
        for item in fields(value):
            content = getattr(value, item.name)
            if isinstance(content, np.ndarray):
                tensors[f"{prefix}.{item.name}"] = content
            elif isinstance(content, Requantise):
                header[item.name] = split(content, f"{prefix}.{item.name}")
            else:
                header[item.name] = list(content) if isinstance(content, tuple) else content
        return header

    header = {
        "name": program.name,
        "input": split(program.input, "input"),
        "layers": [{"kernel": layer.kernel, **split(layer, f"layers.{n}")} for n, layer in enumerate(program.layers)],
        "class_names": list(program.class_names),
        "code_scales": list(program.code_scales),
        "score_scale": program.score_scale,
        "logit_scale": program.logit_scale,
        "provenance": dict(program.provenance),
    }
    return tensors, header


def _from_parts(tensors: Mapping[str, npt.NDArray[Any]], header: Mapping[str, Any]) -> Program:
    def join(cls: type[Any], prefix: str, part: Mapping[str, Any]) -> Any:
        values: dict[str, Any] = {}
        for item in fields(cls):
            if item.name == "requantise":
                values[item.name] = join(Requantise, f"{prefix}.requantise", part[item.name])
            elif item.name in part:
                content = part[item.name]
                values[item.name] = tuple(content) if isinstance(content, list) else content
            else:
                values[item.name] = tensors[f"{prefix}.{item.name}"]
        return cls(**values)

    return Program(
        name=header["name"],
        input=join(InputStep, "input", header["input"]),
        layers=tuple(join(KERNELS[part["kernel"]], f"layers.{n}", part) for n, part in enumerate(header["layers"])),
        class_names=tuple(header["class_names"]),
        code_scales=tuple(header["code_scales"]),
        score_scale=float(header["score_scale"]),
        logit_scale=float(header["logit_scale"]),
        probability=tensors["probability"],
        provenance=header["provenance"],
    )


def _check(program: Program) -> None:
    """The invariants that the C relies on: a Program that breaks one cannot exist."""
    step = program.input
    width = step.offset.shape[0]
    _expect(step.doubled_gain.shape == (width,) and len(step.names) == width, "the input step's lengths differ")
    _expect(step.offset.dtype == step.doubled_gain.dtype == np.float32, "the input scaling is not float32")
    _expect(bool(np.isfinite(step.offset).all() and np.isfinite(step.doubled_gain).all()), "input scaling not finite")
    _expect(-128 <= step.lowest <= step.zero <= step.highest <= 127, "the input codes' range is not int8")
    _expect(len(program.layers) > 0, "a Program without layers")
    for number, layer in enumerate(program.layers):
        where = f"layer {number}: "
        _expect(layer.inputs == width, where + f"{layer.inputs} inputs after {width} outputs")
        width = layer.outputs
        _expect(layer.bias.shape == (width,) and layer.bias.dtype == np.int32, where + "bias of a wrong shape")
        _expect(int(layer.bounds.max()) <= ACCUMULATOR_MAX, where + "an accumulator does not fit int32")
        scale = layer.requantise
        _expect(scale.multiplier.shape == scale.shift.shape == (width,), where + "multipliers of a wrong shape")
        _expect(scale.multiplier.dtype == scale.shift.dtype == np.int32, where + "multipliers or shifts not int32")
        _expect(bool((scale.multiplier >= 2**30).all()), where + "a multiplier under one half")
        _expect(bool(((scale.shift >= 0) & (scale.shift <= 31)).all()), where + "a shift outside 0..31")
        _expect(-128 <= scale.zero <= 127, where + "a zero point outside int8")
        if isinstance(layer, DenseLayer):
            harmonics = layer.harmonics
            _expect(
                harmonics > 0 and layer.table.shape == (256, 2 * harmonics), where + "a value table of a wrong shape"
            )
            _expect(layer.weights.shape[2] == 2 * harmonics, where + "weights and table disagree on the harmonics")
            _expect(layer.table.dtype == layer.weights.dtype == np.int8, where + "weights or table not int8")
        else:
            _expect(layer.rows.dtype == np.int8, where + "rows not int8")
            _expect(
                number == 0 and step.lowest == 0 and step.highest == 1, where + "sparse rows need inputs of 0 and 1"
            )
    _expect(len(program.class_names) == width, f"{len(program.class_names)} class names for {width} outputs")
    _expect(len(program.code_scales) == len(program.layers), "one code scale for each layer")
    table = program.probability
    _expect(table.shape == (256,) and table.dtype == np.uint16, "probabilities need a table of 256 uint16")
    # The best class counts fully, so that the sum of weights is never 0; 65535 times a weight stays within uint32.
    _expect(table[0] == table.max() == 2**15, "the best class does not weigh 2^15")


def _expect(holds: bool, what: str) -> None:
    if not holds:
        raise ValueError(what)
