"""Whatever a user gets wrong, kangen says in one line that names it and the cure, and leaves everything as it was."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from homes import QUICK, Capture, complaint, moved_in, refuses, small_arrays

import kangen.api
import kangen.evidence
from kangen.cli import main
from kangen.codegen.program import Program
from kangen.runtimes.toolchains import host_compilers


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return moved_in(tmp_path, monkeypatch)


# ---- What is typed ------------------------------------------------------------------------------------------------


TYPED = {
    "a command": ("biuld", "'biuld'", "did you mean 'build'?"),
    "a command like no other": ("zzzz", "'zzzz'", "known: build, datasets"),
    "an option": ("build --sed 1", "'--sed'", "did you mean '--seed'?"),
    "an option without its value": ("build --seed", "--seed", "requires an argument"),
    "one argument too many": ("verify build/small build/other", "build/other", "kangen verify --help"),
    "a data set": ("build --data corra", "'corra'", "did you mean 'cora'?"),
    "a target": ("build --target cortex-m5", "'cortex-m5'", "did you mean 'cortex-m"),
    "an empty target": ("build --target cortex-m4,", "'cortex-m4,'", "cortex-m0plus,cortex-m4"),
    "a teacher": ("train --teacher sagee", "'sagee'", "did you mean 'sage'?"),
    "a method": ("train --method sadds", "'sadds'", "did you mean 'sadsd'?"),
    "a negative seed": ("train --seed -1", "'--seed'", "-1 is not in the range x>=0"),
    "a negative fold": ("train --fold -1", "'--fold'", "-1"),
    "no epochs": ("train --epochs 0", "'--epochs'", "x>=1"),
    "no labels": ("train --labels 0", "'--labels'", "x>=1"),
    "words for a number": ("train --epochs many", "'--epochs'", "'many' is not a valid whole number"),
    "a hidden layer of nothing": ("train --hidden 8,0", "'8,0'", "1 to 1024"),
    "a hidden layer of words": ("train --hidden 8;4", "'8;4'", "such as 64,32"),
    "too many harmonics": ("train --harmonics 99", "'--harmonics'", "99 is not in the range"),
    "a keyword of C": ("build --name int", "'int'", "keyword of C"),
    "a keyword of C++": ("build --name class", "'class'", "keyword of C++"),
    "a header's name": ("build --name stdio", "'stdio'"),
    "a name that is no identifier": ("build --name 3d-gait", "'3d-gait'"),
    "a name that leaves the folder": ("build --name ../gait", "'../gait'"),
    "an empty name": (["build", "--name", ""], "name"),
    "a name in capitals": ("train --teacher SAGE", "did you mean 'sage'?"),
    "a name that is near to none": ("train --data nothere", "'nothere'", "known: citeseer"),
    "a picture of another kind": ("inspect --picture edges.jpg", "edges.jpg", ".png"),
}


@pytest.mark.parametrize("case", TYPED)
def test_typing(case: str, home: Path, capsys: Capture) -> None:
    command, *words = TYPED[case]
    refuses(home, capsys, command, *words)


# ---- A user's own data --------------------------------------------------------------------------------------------


def arrays(**changes: Any) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        content = {**small_arrays(), **changes}
        np.savez(path, **{name: array for name, array in content.items() if array is not None})

    return write


def text(content: str) -> Callable[[Path], None]:
    return lambda path: path.write_text(content) and None


def with_value(value: float) -> np.ndarray:
    x = small_arrays()["x"]
    x[7, 2] = value
    return x


def truncated(path: Path) -> None:
    arrays()(path)
    path.write_bytes(path.read_bytes()[:900])


TABLE = "a,b,kind\n" + "\n".join(f"{n % 5}.5,{n % 7},{'run' if n % 2 else 'walk'}" for n in range(40)) + "\n"

DATA: dict[str, tuple[str, Callable[[Path], None] | None, str, tuple[str, ...]]] = {
    "a missing file": ("gone.npz", None, "", ("gone.npz",)),
    "a missing file without a suffix": ("./gone", None, "", ("gone is neither .npz nor .csv",)),
    "a folder": ("build", None, "", ("build is a folder",)),
    "a truncated file": ("mine.npz", truncated, "", ("mine.npz", "damaged")),
    "a text file with the wrong name": ("mine.npz", text("x,y\n1,2\n"), "", ("mine.npz", "numpy.savez")),
    "an empty file": ("mine.npz", text(" "), "", ("mine.npz",)),
    "pickled objects": ("mine.npz", arrays(y=np.array([{}] * 60)), "", ("mine.npz", "pickled", "plain arrays")),
    "an unknown array": ("mine.npz", arrays(edges=np.zeros((2, 3))), "", ("'edges'", "did you mean 'edge_index'?")),
    "no labels": ("mine.npz", arrays(y=None), "", ("no array 'y'",)),
    "flat features": ("mine.npz", arrays(x=np.zeros(60, np.float32)), "", ("x has shape", "[rows, features]")),
    "labels of another length": ("mine.npz", arrays(y=np.zeros(59, int)), "", ("59", "60")),
    "NaN": ("mine.npz", arrays(x=with_value(np.nan)), "", ("x[7, 2] is nan", "drop the row")),
    "infinity": ("mine.npz", arrays(x=with_value(-np.inf)), "", ("x[7, 2] is -inf",)),
    "an edge to nowhere": ("mine.npz", arrays(edge_index=np.array([[0], [60]])), "", ("edge_index", "60")),
    "edges of a wrong shape": ("mine.npz", arrays(edge_index=np.zeros((3, 5), int)), "", ("edge_index", "2")),
    "a mask of a wrong length": ("mine.npz", arrays(test=np.ones(4, bool)), "", ("test", "60")),
    "overlapping masks": ("mine.npz", arrays(test=small_arrays()["train"]), "", ("train", "test")),
    "one class": ("mine.npz", arrays(y=np.zeros(60, int)), "", ("class",)),
    "a .csv without --label": ("mine.csv", text(TABLE), "", ("mine.csv", "label")),
    "a label column that is not there": ("mine.csv", text(TABLE), "--label kinds", ("'kinds'", "'kind'")),
    "a word among numbers": ("mine.csv", text(TABLE.replace("3.5,3,", "3.5,fast,")), "--label kind", ("fast",)),
    "a short line": ("mine.csv", text(TABLE + "1.5\n"), "--label kind", ("mine.csv", "42")),
    "an empty table": ("mine.csv", text("a,b,kind\n"), "--label kind", ("mine.csv",)),
    "a label where there are no columns": ("cora", None, "--label kind", ("'cora'", "label")),
}


@pytest.mark.parametrize("case", DATA)
def test_data(case: str, home: Path, capsys: Capture) -> None:
    name, write, options, words = DATA[case]
    if write is not None:
        write(home / name)
    refuses(home, capsys, ["build", "--data", name, *QUICK, *options.split()], *words)


# ---- Files of kangen's own, missing, damaged or foreign -----------------------------------------------------------


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def edit(path: Path, old: str, new: str) -> None:
    content = path.read_bytes()
    assert old.encode() in content
    path.write_bytes(content.replace(old.encode(), new.encode(), 1))


def flip(path: Path) -> None:
    """One bit in the last tensor."""
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)


def other_program(home: Path) -> None:
    from programs import random_program

    random_program(name="small").save(home / "build/small/program.safetensors")


def other_samples(home: Path) -> None:
    program = Program.load(home / "build/small/program.safetensors")
    samples = kangen.evidence.load_samples(home / "build/small/samples.safetensors", program)
    fewer = type(samples)(program.identity, samples.x[:, :2], samples.y, samples.float_labels, samples.test)
    (home / "build/small/samples.safetensors").write_bytes(fewer.pack())


BUILD = "build/small"
FILES: dict[str, tuple[Callable[[Path], Any], str, tuple[str, ...]]] = {
    "no such run": (lambda home: None, "build --run runs/smal", ("runs/smal", "kangen train")),
    "a run that is a file": (lambda home: None, "train --data small.npz --run small.npz", ("small.npz", "--run")),
    "a run's description cut": (
        lambda home: cut(home / "runs/small/run.json"),
        "build --run runs/small",
        ("run.json",),
    ),
    "a run of another format": (
        lambda home: edit(home / "runs/small/run.json", "kangen-run-1", "kangen-run-0"),
        "build --run runs/small",
        ("run.json", "kangen-run-1"),
    ),
    "a student cut": (
        lambda home: cut(home / "runs/small/student.safetensors"),
        "build --run runs/small",
        ("student.safetensors", "train it again"),
    ),
    "a student changed": (
        lambda home: flip(home / "runs/small/student.safetensors"),
        "build --run runs/small",
        ("student.safetensors",),
    ),
    "a student missing": (
        lambda home: (home / "runs/small/student.safetensors").unlink(),
        "build --run runs/small",
        ("student.safetensors", "train it again"),
    ),
    "a run in a foreign folder": (
        lambda home: ((home / "photos").mkdir(), (home / "photos/cat.jpg").write_text("cat")),
        "train --data small.npz --run photos",
        ("photos", "cat.jpg", "--run"),
    ),
    "options that the run was not trained with": (
        lambda home: None,
        "build --run runs/small --hidden 16",
        ("runs/small", "hidden = 4, not 16", "kangen train --run"),
    ),
    "other data than the run was trained with": (
        lambda home: None,
        "train --data cora --run runs/small",
        ("data = small.npz, not cora",),
    ),
    "data that changed after training": (
        lambda home: np.savez(home / "small.npz", **small_arrays(seed=5)),
        "build --run runs/small",
        ("runs/small", "data"),
    ),
    "no such build": (lambda home: None, "verify build/smal", ("build/smal", "kangen build")),
    "a folder of builds": (lambda home: None, "verify build", ("build is not a kangen build", "'build/small'")),
    "a file for a build": (lambda home: None, "verify small.npz", ("small.npz",)),
    "no Program": (lambda home: (home / BUILD / "program.safetensors").unlink(), f"verify {BUILD}", ("program",)),
    "a Program cut": (lambda home: cut(home / BUILD / "program.safetensors"), "verify", ("program.safetensors",)),
    "a Program changed": (
        lambda home: flip(home / BUILD / "program.safetensors"),
        "verify",
        ("program.safetensors was changed", "kangen build"),
    ),
    "a Program of another build": (other_program, "verify", ("program.safetensors is not the Program",)),
    "a foreign tensor file": (
        lambda home: (home / BUILD / "program.safetensors").write_bytes(
            (home / "runs/small/student.safetensors").read_bytes()
        ),
        "inspect build/small/program.safetensors",
        ("program.safetensors is not a kangen Program",),
    ),
    "something else to inspect": (lambda home: None, "inspect small.npz", ("small.npz", "safetensors")),
    "samples cut": (lambda home: cut(home / BUILD / "samples.safetensors"), "verify", ("samples.safetensors",)),
    "samples of a wrong shape": (other_samples, "verify", ("samples.safetensors", "shapes")),
    "no C": (lambda home: (home / BUILD / "small.c").unlink(), "verify", ("small.c", "kangen build")),
    "a manifest cut": (lambda home: cut(home / BUILD / "small.json"), "verify", ("small.json", "JSON")),
    "a manifest of something else": (
        lambda home: (home / BUILD / "small.json").write_text("{}"),
        "verify",
        ("small.json", "kangen-build-1"),
    ),
    "a build over something else": (
        lambda home: ((home / "out/small").mkdir(parents=True), (home / "out/small/thesis.tex").write_text("…")),
        "build --run runs/small --out out",
        ("out/small", "not a kangen build", "--out"),
    ),
    "a build over notes": (
        lambda home: (home / BUILD / "notes.txt").write_text("mine"),
        "build --run runs/small",
        ("'notes.txt'", "move it away"),
    ),
    "a build below a file": (lambda home: None, "build --run runs/small --out small.npz", ("small.npz is a file",)),
    "a build in place of a file": (
        lambda home: ((home / "out").mkdir(), (home / "out/small").write_text("")),
        "build --run runs/small --out out",
        ("out/small is not a folder",),
    ),
    "a picture below a file": (lambda home: None, "inspect --picture small.npz/edges.png", ("small.npz/edges.png",)),
}


@pytest.mark.parametrize("case", FILES)
def test_files(case: str, home: Path, capsys: Capture) -> None:
    spoil, command, words = FILES[case]
    spoil(home)
    refuses(home, capsys, command, *words)


def test_several_builds_and_none_named(home: Path, capsys: Capture) -> None:
    assert main(["build", "--run", "runs/small", "--name", "other", "--target", "host"]) == 0
    capsys.readouterr()
    refuses(home, capsys, "verify", "build/other, build/small", "name one")


def test_a_read_only_folder(home: Path, capsys: Capture) -> None:
    refuses(home, capsys, "build --run runs/small --out /proc/kangen", "/proc/kangen", "choose another --out")


# ---- What only running shows ---------------------------------------------------------------------------------------


def test_verify_names_the_file_that_was_edited(home: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kangen.evidence, "host_compilers", lambda: host_compilers()[:1])
    edit(home / BUILD / "small.h", "#ifndef", "/* mine */\n#ifndef")
    assert main(["verify"]) == 1
    assert "small.h is not what its Program emits" in complaint(capsys)


def test_verify_reports_c_that_does_not_compile(home: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kangen.evidence, "host_compilers", lambda: host_compilers()[:1])
    edit(home / BUILD / "small.c", "#include", "#inclued")
    assert main(["verify"]) == 1
    assert "small.c" in complaint(capsys)
    assert not json.loads((home / BUILD / "small.json").read_text())["verification"]["passed"]


def test_a_bug_is_one_line_unless_asked(home: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("out of\ncheese")

    monkeypatch.setattr(kangen.api, "inspect", broken)
    monkeypatch.delenv("KANGEN_DEBUG", raising=False)
    assert main(["inspect"]) == 70
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith(
        "error: RuntimeError: out of cheese; this is a bug in kangen: run again with KANGEN_DEBUG=1"
    )
    assert len(lines) == 1
    monkeypatch.setenv("KANGEN_DEBUG", "1")
    with pytest.raises(RuntimeError):
        main(["inspect"])
