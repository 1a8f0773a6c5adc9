"""Every failure a user can meet, with its exit code. They live in the lowest room because every room raises them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class KangenError(Exception):
    """One clear line that says what was wrong and what to do about it."""

    exit_code = 2


class InputError(KangenError):
    """The user's input: a file, a name, a value."""


class VerificationError(KangenError):
    """An artefact computed something else than the reference."""

    exit_code = 1


class BudgetError(KangenError):
    """A size or cost limit that cannot be met."""

    exit_code = 3


def unknown(kind: str, given: str, known: Iterable[str]) -> InputError:
    """The error for a name that is not in a list, with the nearest name as a suggestion."""
    names = sorted(known)
    plain = {name.lower(): name for name in names}
    near = difflib.get_close_matches(given.lower(), plain, n=1, cutoff=0.52)
    cure = f"did you mean '{plain[near[0]]}'?" if near else f"known: {', '.join(names)}"
    return InputError(f"unknown {kind} '{given}': {cure}")
