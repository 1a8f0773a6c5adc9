"""How deep a function can push the stack, proven from its machine code.

Every path through a function is followed with the stack pointer's distance from its entry; calls and tail calls add the
bound of the callee, the compiler's own helpers included. What cannot be followed (an indirect call, recursion, a stack
pointer that depends on data) makes the bound unknown, and says why: never a guess.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any, NamedTuple

from kangen.distill.errors import InputError
from kangen.runtimes.elf import CURE, Image, missing_module

_SWITCH_HELPERS = "__gnu_thumb1_case"  # return elsewhere than they were called from


@dataclass(frozen=True)
class StackBound:
    """Bytes below the stack pointer at the call; None, with the reason, where no bound could be proven."""

    bytes: int | None
    reason: str
    path: tuple[str, ...]  # the deepest chain of calls

    def __str__(self) -> str:
        return f"unknown ({self.reason})" if self.bytes is None else str(self.bytes)


@dataclass(frozen=True)
class Frame:
    """One function's share."""

    name: str
    code: int  # bytes of code
    own: int  # bytes of stack of its own
    bound: int  # with everything that it calls


class _UnboundedError(Exception):
    """No bound; the text says why and in which function."""


class _Value(NamedTuple):
    """What is known of a register: a constant, or an address ``number`` bytes below the stack pointer at entry."""

    on_stack: bool
    number: int


_Registers = dict[int, _Value]


@dataclass
class _Walk:
    """One function while it is followed."""

    name: str
    seen: dict[int, tuple[int, _Registers]]
    waiting: list[int]
    deepest: int = 0
    bound: int = 0
    callee: int | None = None

    def visit(self, address: int, depth: int, registers: _Registers) -> None:
        before = self.seen.get(address)
        if before is not None:
            if before[0] != depth:
                raise _UnboundedError(f"{self.name} is left with a stack pointer that varies, at 0x{address:08x}")
            registers = {key: value for key, value in before[1].items() if registers.get(key) == value}
            if registers == before[1]:
                return
        self.seen[address] = (depth, registers)
        self.waiting.append(address)

    def use(self, depth: int) -> None:
        self.deepest = max(self.deepest, depth)
        self.bound = max(self.bound, depth)

    def call(self, depth: int, callee: int, bound: int) -> None:
        if depth + bound > self.bound:
            self.bound, self.callee = depth + bound, callee


class StackAnalysis:
    """The machine code of an image, decoded once. ``wide`` is for cores with ARMv8.1-M's vectors and loops."""

    def __init__(self, image: Image, wide: bool) -> None:
        if missing_module("capstone"):
            raise InputError(f"capstone is needed to bound the stack; {CURE}")
        import capstone
        from capstone import arm

        self._arm: Any = arm
        self._image = image
        self._wide = wide
        decoder = capstone.Cs(capstone.CS_ARCH_ARM, capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS)
        decoder.detail = True
        self._code: dict[int, Any] = {}
        self._holes: dict[int, int] = {}  # address and size of what the decoder does not know
        for start, content in _code_regions(image):
            self._decode(decoder, start, content)
        self._done: dict[int, _Walk] = {}
        self._active: list[int] = []

    def _decode(self, decoder: Any, start: int, content: bytes) -> None:
        at = 0
        while at + 2 <= len(content):
            for instruction in decoder.disasm(content[at:], start + at):
                self._code[instruction.address] = instruction
                at = instruction.address - start + instruction.size
            if at + 2 <= len(content):
                wide = struct.unpack_from("<H", content, at)[0] >= 0xE800
                self._holes[start + at] = 4 if wide else 2
                at += 4 if wide else 2

    def bound(self, name: str) -> StackBound:
        try:
            walk = self._function(self._image.addresses[name])
        except _UnboundedError as error:
            self._active.clear()
            return StackBound(None, str(error), ())
        path = [walk.name]
        while walk.callee is not None:
            walk = self._done[walk.callee]
            path.append(walk.name)
        return StackBound(self._done[self._image.addresses[name]].bound, "", tuple(path))

    def frames(self) -> tuple[Frame, ...]:
        """Every function that was followed so far."""
        sizes = {function.address: function.size for function in self._image.functions}
        return tuple(
            Frame(walk.name, sizes.get(address, 0), walk.deepest, walk.bound)
            for address, walk in sorted(self._done.items())
        )

    def _function(self, entry: int) -> _Walk:
        if entry in self._done:
            return self._done[entry]
        function = self._image.function_at(entry)
        name = f"0x{entry:08x}" if function is None else function.name
        if entry in self._active:
            raise _UnboundedError(f"{name} calls itself")
        if name.startswith(_SWITCH_HELPERS):
            raise _UnboundedError(f"a jump table through {name}")
        self._active.append(entry)
        walk = _Walk(name, {}, [])
        walk.visit(entry, 0, {})
        while walk.waiting:
            address = walk.waiting.pop()
            depth, registers = walk.seen[address]
            self._step(walk, entry, address, depth, dict(registers))
        self._active.pop()
        self._done[entry] = walk
        return walk

    def _step(self, walk: _Walk, entry: int, address: int, depth: int, registers: _Registers) -> None:
        instruction = self._code.get(address)
        if instruction is None:
            if address not in self._holes or not self._wide or self._holes[address] != 4:
                raise _UnboundedError(f"{walk.name} has code that cannot be decoded, at 0x{address:08x}")
            # A vector or loop instruction: none of them moves the stack pointer or leaves the function.
            walk.visit(address + 4, depth, self._after_vector(address, registers))
            return
        arm = self._arm
        following = address + instruction.size
        conditional = instruction.cc not in (arm.ARM_CC_AL, arm.ARM_CC_INVALID)
        if self._branch(walk, entry, instruction, depth, registers, conditional):
            return
        moved, after = self._effect(walk, instruction, depth, registers)
        returns = arm.ARM_REG_PC in _written(instruction)
        if returns and moved is None:
            raise _UnboundedError(f"{walk.name} jumps to a computed address, at 0x{address:08x}")
        if conditional:
            if moved not in (None, depth) and not returns:
                raise _UnboundedError(f"{walk.name} moves the stack pointer on a condition, at 0x{address:08x}")
            walk.visit(following, depth, {key: value for key, value in after.items() if registers.get(key) == value})
        elif not returns:
            now = depth if moved is None else moved
            walk.use(now)
            walk.visit(following, now, after)

    def _branch(
        self, walk: _Walk, entry: int, instruction: Any, depth: int, registers: _Registers, conditional: bool
    ) -> bool:
        """Follow a branch, call or return; False if the instruction is none of them."""
        arm, number, operands = self._arm, instruction.id, instruction.operands
        following = instruction.address + instruction.size
        if number == arm.ARM_INS_BL:
            target = operands[0].imm & ~1
            walk.call(depth, target, self._function(target).bound)
            kept = {key: value for key, value in registers.items() if key not in self._clobbered}
            walk.visit(following, depth, kept)
        elif number in (arm.ARM_INS_B, arm.ARM_INS_CBZ, arm.ARM_INS_CBNZ):
            target = operands[-1].imm & ~1
            function = self._image.function_at(target)
            if function is not None and function.address == target != entry:
                walk.call(depth, target, self._function(target).bound)
            else:
                walk.visit(target, depth, registers)
            if conditional or number != arm.ARM_INS_B:
                walk.visit(following, depth, registers)
        elif number == arm.ARM_INS_BX and operands[0].reg == arm.ARM_REG_LR:
            if conditional:
                walk.visit(following, depth, registers)
        elif number == arm.ARM_INS_BLX and operands[0].type == arm.ARM_OP_IMM and self._wide:
            walk.visit(following, depth, registers)  # a loop instruction, which the decoder takes for ARM state's call
        elif number in (arm.ARM_INS_BX, arm.ARM_INS_BLX):
            raise _UnboundedError(f"{walk.name} calls through a pointer, at 0x{instruction.address:08x}")
        elif number in (arm.ARM_INS_TBB, arm.ARM_INS_TBH):
            raise _UnboundedError(f"{walk.name} has a jump table, at 0x{instruction.address:08x}")
        else:
            return bool(number == arm.ARM_INS_UDF)
        return True

    @property
    def _clobbered(self) -> frozenset[int]:
        arm = self._arm
        return frozenset(
            (arm.ARM_REG_R0, arm.ARM_REG_R1, arm.ARM_REG_R2, arm.ARM_REG_R3, arm.ARM_REG_R12, arm.ARM_REG_LR)
        )

    def _effect(
        self, walk: _Walk, instruction: Any, depth: int, registers: _Registers
    ) -> tuple[int | None, _Registers]:
        """The stack depth after an instruction, None if it leaves the stack pointer alone, and the registers known."""
        arm = self._arm
        after = {key: value for key, value in registers.items() if key not in _written(instruction)}
        moved = self._pushed(instruction)
        if moved is not None:
            return depth + moved, after
        value = self._computed(instruction, depth, registers)
        if arm.ARM_REG_SP in _written(instruction):
            if value is None or not value.on_stack:
                place = f"0x{instruction.address:08x}"
                raise _UnboundedError(
                    f"{walk.name} sets the stack pointer from data, at {place}: {instruction.mnemonic}"
                )
            return value.number, after
        if value is not None:
            after[instruction.operands[0].reg] = value
        return None, after

    def _pushed(self, instruction: Any) -> int | None:
        """Bytes that a push (or with a minus sign, a pop) moves the stack pointer by."""
        arm, number, operands = self._arm, instruction.id, instruction.operands
        if number in (arm.ARM_INS_PUSH, arm.ARM_INS_VPUSH):
            return _width(instruction, operands)
        if number in (arm.ARM_INS_POP, arm.ARM_INS_VPOP):
            return -_width(instruction, operands)
        if arm.ARM_REG_SP not in _written(instruction) or not instruction.writeback:
            return None
        if number in (arm.ARM_INS_STMDB, arm.ARM_INS_VSTMDB):
            return _width(instruction, operands[1:])
        if number in (arm.ARM_INS_LDM, arm.ARM_INS_VLDMIA):
            return -_width(instruction, operands[1:])
        memory = [operand for operand in operands if operand.type == arm.ARM_OP_MEM]
        if len(memory) != 1 or memory[0].mem.base != arm.ARM_REG_SP or memory[0].mem.index != 0:
            return None
        # After the access the step is an operand of its own (in capstone 5), before it it is part of the address.
        steps = [operand for operand in operands if operand.type == arm.ARM_OP_IMM]
        step = steps[0].imm if steps else memory[0].mem.disp
        return int(step if (steps and steps[0].subtracted) else -step)

    def _computed(self, instruction: Any, depth: int, registers: _Registers) -> _Value | None:
        """The value that an instruction puts into its first operand, where that can be known."""
        arm, number, operands = self._arm, instruction.id, instruction.operands
        if len(operands) < 2 or operands[0].type != arm.ARM_OP_REG:
            return None

        def value(operand: Any) -> _Value | None:
            if operand.type == arm.ARM_OP_IMM:
                return _Value(False, int(operand.imm))
            if operand.type != arm.ARM_OP_REG or operand.shift.type != arm.ARM_SFT_INVALID:
                return None
            return _Value(True, depth) if operand.reg == arm.ARM_REG_SP else registers.get(operand.reg)

        if number == arm.ARM_INS_LDR and operands[1].type == arm.ARM_OP_MEM and operands[1].mem.base == arm.ARM_REG_PC:
            place = ((instruction.address + 4) & ~3) + operands[1].mem.disp
            return _Value(False, struct.unpack("<i", self._image.read(place, 4))[0])
        if number in (arm.ARM_INS_MOV, arm.ARM_INS_MOVW):
            return value(operands[1])
        if number == arm.ARM_INS_BFC:
            held = registers.get(operands[0].reg)
            aligning = held is not None and held.on_stack and operands[1].imm == 0
            return _Value(True, held.number + (1 << operands[2].imm) - 4) if held and aligning else None
        left, right = value(operands[-2]), value(operands[-1])
        if left is None or right is None or len(operands) > 3:
            return None
        return self._arithmetic(number, left, right)

    def _arithmetic(self, number: int, left: _Value, right: _Value) -> _Value | None:
        arm = self._arm
        if number in (arm.ARM_INS_ADD, arm.ARM_INS_ADDW):
            if left.on_stack and right.on_stack:
                return None
            if left.on_stack or right.on_stack:
                base, offset = (left, right) if left.on_stack else (right, left)
                return _Value(True, base.number - offset.number)
            return _Value(False, left.number + right.number)
        if number in (arm.ARM_INS_SUB, arm.ARM_INS_SUBW) and not right.on_stack:
            return _Value(left.on_stack, left.number + (right.number if left.on_stack else -right.number))
        if number == arm.ARM_INS_LSL and not left.on_stack and not right.on_stack:
            return _Value(False, left.number << right.number)
        if number == arm.ARM_INS_RSB and not left.on_stack and not right.on_stack:
            return _Value(False, right.number - left.number)
        return None

    def _after_vector(self, address: int, registers: _Registers) -> _Registers:
        """What is still known after an undecoded instruction: registers that none of its fields can name."""
        first, second = struct.unpack("<2H", self._image.read(address, 4))
        fields = {first & 15, second >> 12, second >> 8 & 15, second & 15}
        named = {self._arm.ARM_REG_R0 + item for pair in fields for item in (pair & ~1, pair | 1)}
        return {key: value for key, value in registers.items() if key not in named}


def _code_regions(image: Image) -> list[tuple[int, bytes]]:
    """Stretches of instructions, between the marks that assemblers leave around data."""
    regions = []
    for origin, content in image.segments:
        end = origin + len(content)
        inside = [(address, kind) for address, kind in image.marks if origin <= address < end]
        for at, (address, kind) in enumerate(inside):
            stop = inside[at + 1][0] if at + 1 < len(inside) else end
            if kind == "t" and stop > address:
                regions.append((address, content[address - origin : stop - origin]))
    return regions


def _written(instruction: Any) -> frozenset[int]:
    return frozenset(instruction.regs_access()[1])


def _width(instruction: Any, operands: Any) -> int:
    """Bytes of a list of registers: 8 for each double, 4 for others."""
    return sum(8 if instruction.reg_name(operand.reg).startswith("d") else 4 for operand in operands)
