"""Which names a model may have: they prefix every function, macro and file of the generated C."""

from __future__ import annotations

import re

from kangen.distill.errors import InputError

LONGEST = 40
GOLDEN = "_golden"


def _words(text: str) -> list[str]:
    return text.split()


C_KEYWORDS = _words("""
    alignas alignof auto bool break case char const constexpr continue default do double else enum extern false float
    for goto if inline int long nullptr register restrict return short signed sizeof static static_assert struct switch
    thread_local true typedef typeof typeof_unqual union unsigned void volatile while asm fortran
""")

CPP_KEYWORDS = _words("""
    and and_eq bitand bitor catch char8_t char16_t char32_t class co_await co_return co_yield compl concept consteval
    constinit const_cast decltype delete dynamic_cast explicit export friend mutable namespace new noexcept not not_eq
    operator or or_eq private protected public reinterpret_cast requires static_cast template this throw try typeid
    typename using virtual wchar_t xor xor_eq final override import module
""")

# NAME.h would hide the header of the C library.
C_HEADERS = _words("""
    assert complex ctype errno fenv float inttypes iso646 limits locale math setjmp signal stdalign stdarg stdatomic
    stdbit stdbool stdckdint stddef stdint stdio stdlib stdnoreturn string tgmath threads time uchar wchar wctype
""")

# Windows opens a device instead of a file.
DEVICES = ["aux", "con", "nul", "prn", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))]

TAKEN = {
    **dict.fromkeys(DEVICES, "a device on Windows, where no file can have its name"),
    **dict.fromkeys(C_HEADERS, "the name of a header of the C library"),
    **dict.fromkeys(CPP_KEYWORDS, "a keyword of C++"),
    **dict.fromkeys(C_KEYWORDS, "a keyword of C"),
    "main": "where a C program starts",
    "null": "the null pointer of C",
}


def check_name(name: str) -> None:
    """Raise InputError unless ``name`` can prefix C and C++ identifiers and name their files."""
    fault = _fault(name)
    if fault:
        raise InputError(f"the model name {name!r} cannot be used: {fault}; try '{_suggestion(name)}'")


def _fault(name: str) -> str:
    if name.lower() in TAKEN:
        return f"it is {TAKEN[name.lower()]}"
    if re.fullmatch(r"u?int(_fast|_least)?\d+_t|u?intmax_t|u?intptr_t|s?size_t|ptrdiff_t", name.lower()):
        return "it is a type of the C library"
    if not re.fullmatch(r"[A-Za-z0-9_]*", name, re.ASCII) or not name:
        return "only ASCII letters, digits and '_' can stand in a C identifier"
    if not name[0].isalpha():
        return "a C identifier of a program's own starts with a letter"
    if "__" in name or name.endswith("_"):
        return "two underscores in a row are reserved in C++"
    if name.lower().endswith(GOLDEN):
        return "its header would have the name of another model's golden vectors"
    if len(name) > LONGEST:
        return f"it is longer than {LONGEST} characters"
    return ""


def _suggestion(name: str) -> str:
    """The nearest name that passes."""
    words = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_").lstrip("0123456789_")
    candidate = words[: LONGEST - len("_model")].rstrip("_") or "model"
    return f"{candidate}_model" if _fault(candidate) else candidate
