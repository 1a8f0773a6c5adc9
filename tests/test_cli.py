"""The command line does what its help says, and so does the Python interface."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from homes import QUICK, moved_in, small_arrays, snapshot

import kangen
import kangen.evidence
from kangen import directory
from kangen.cli import cli, main
from kangen.runtimes.toolchains import host_compilers


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return moved_in(tmp_path, monkeypatch)


@pytest.fixture
def one_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kangen.evidence, "host_compilers", lambda: host_compilers()[:1])


def kangen_process(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "import sys; from kangen.cli import main; sys.exit(main())", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload,no-any-return]


class TestHelp:
    def test_answers_at_once(self) -> None:
        resource = pytest.importorskip("resource")

        def spent() -> float:
            used = resource.getrusage(resource.RUSAGE_CHILDREN)
            return float(used.ru_utime + used.ru_stime)

        before = spent()
        assert kangen_process("--help").returncode == 0
        assert spent() - before < 0.3  # of the processor: what a machine that does nothing else takes

    def test_imports_nothing_heavy(self) -> None:
        code = (
            "import sys, kangen.cli; print([m for m in ('torch', 'numpy', 'matplotlib', 'rich') if m in sys.modules])"
        )
        answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert answer.stdout.strip() == "[]"

    @pytest.mark.parametrize("command", sorted(cli.commands))
    def test_every_command_shows_an_example(self, command: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert main([command, "--help"]) == 0
        shown = capsys.readouterr().out
        assert shown.count("kangen " + command) >= 2  # the usage, and an example

    def test_without_a_command_it_shows_the_commands(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main([]) == 0
        assert "inspect" in capsys.readouterr().out

    def test_listings(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["datasets"]) == 0
        assert "BSD-3-Clause" in capsys.readouterr().out
        assert main(["targets"]) == 0
        assert "cortex-m0plus" in capsys.readouterr().out


class TestBuild:
    def test_leaves_the_files_that_it_names(self, home: Path) -> None:
        place = home / "build/small"
        manifest = json.loads((place / "small.json").read_text())
        assert sorted(snapshot(place)) == sorted([*manifest["files"], "small.json"])
        for name, facts in manifest["files"].items():
            assert directory.digest((place / name).read_bytes()) == facts

    def test_is_the_same_bytes_again(self, home: Path) -> None:
        before = snapshot(home / "build/small")
        assert main(["build", "--data", "small.npz", "--target", "host"]) == 0
        assert snapshot(home / "build/small") == before

    def test_is_the_same_bytes_in_another_folder(
        self, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        (elsewhere / "small.npz").write_bytes((home / "small.npz").read_bytes())
        monkeypatch.chdir(elsewhere)
        assert main(["build", "--data", "small.npz", "--target", "host", *QUICK]) == 0
        assert snapshot(elsewhere / "build/small") == snapshot(home / "build/small")

    def test_tells_no_path_and_no_time(self, home: Path) -> None:
        for content in snapshot(home / "build/small").values():
            assert str(home).encode() not in content
            assert b"kangen-home-" not in content

    def test_reuses_a_run(self, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["build", "--run", "runs/small", "--name", "gait"]) == 0
        shown = capsys.readouterr()
        assert "teacher 1" not in shown.err
        assert "int label = gait_predict(x);" in shown.out
        assert (home / "build/gait/gait.c").is_file()

    def test_puts_several_targets_side_by_side(self, home: Path) -> None:
        assert main(["build", "--data", "small.npz", "--target", "cortex-m0plus,cortex-m4", "--name", "two"]) == 0
        assert (home / "build/two/cortex-m0plus/two.c").is_file()
        assert (home / "build/two/cortex-m4/two.c").is_file()

    def test_replaces_a_build_whole(self, home: Path) -> None:
        assert main(["build", "--data", "small.npz", "--target", "host,cortex-m4"]) == 0
        assert not (home / "build/small/small.c").exists()
        assert [path.name for path in (home / "build").iterdir()] == ["small"]


class TestVerify:
    def test_says_equal_and_writes_it_down(
        self, home: Path, one_compiler: None, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["verify"]) == 0
        assert "Equal" in capsys.readouterr().out
        manifest = json.loads((home / "build/small/small.json").read_text())
        assert manifest["verification"]["passed"]
        assert {check["level"] for check in manifest["verification"]["checks"]} >= {"-O0", "-O2", "-Os"}
        page = (home / "build/small/REPORT.html").read_bytes()
        assert b"byte for byte" in page
        assert manifest["files"]["REPORT.html"] == directory.digest(page)

    def test_needs_no_torch(self, home: Path) -> None:
        blocker = "import sys; sys.modules['torch'] = None; from kangen.cli import main; sys.exit(main())"
        command = [sys.executable, "-c", blocker, "verify", "build/small"]
        assert subprocess.run(command, capture_output=True, check=False).returncode == 0

    def test_finds_one_changed_weight(self, home: Path, one_compiler: None, capsys: pytest.CaptureFixture[str]) -> None:
        source = home / "build/small/small.c"
        text = source.read_text()
        at = text.index("bias")
        digit = next(i for i in range(text.index("{", at), len(text)) if text[i] in "123456789")
        source.write_text(text[:digit] + str(int(text[digit]) % 9 + 1) + text[digit + 1 :])
        assert main(["verify"]) == 1
        shown = capsys.readouterr()
        assert "small.c is not what its Program emits" in shown.err
        assert "differs: this machine" in shown.out
        assert not json.loads((home / "build/small/small.json").read_text())["verification"]["passed"]

    def test_lists_what_could_not_run(
        self, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["build", "--data", "small.npz", "--target", "cortex-m4"]) == 0
        monkeypatch.setattr("kangen.runtimes.evidence.arm_compilers", lambda: ())
        assert main(["verify"]) == 0
        out = capsys.readouterr().out
        assert "not run: Cortex-M4F: no C compiler" in out


class TestInspect:
    def test_shows_layers(self, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["inspect"]) == 0
        out = capsys.readouterr().out
        assert "4 → 4" in out
        assert "of int32" in out

    def test_reads_a_program_alone_and_draws_it(self, home: Path) -> None:
        assert main(["inspect", "build/small/program.safetensors", "--picture", "edges.png"]) == 0
        assert (home / "edges.png").read_bytes().startswith(b"\x89PNG")


class TestPython:
    def test_train_build_inspect(self, home: Path) -> None:
        run = kangen.train("small.npz", epochs=4, hidden=(4,), harmonics=2, run="runs/again")
        assert 0 <= run.metrics["student"]["test"] <= 1
        made = kangen.build(run=run.directory, target="host", name="again")
        assert made.directory == Path("build/again")
        assert made.program.identity == made.manifest["identity"]
        assert [layer.kernel for layer in kangen.inspect(made.directory).layers] == ["dense", "dense"]

    def test_a_run_repeats(self, home: Path) -> None:
        kangen.train("small.npz", epochs=4, hidden=(4,), harmonics=2, run="runs/again")
        assert snapshot(home / "runs/again") == snapshot(home / "runs/small")


class TestReport:
    def test_stands_alone_in_one_file(self, home: Path) -> None:
        page = (home / "build/small/REPORT.html").read_text()
        assert page.count("<svg") > 2
        assert "http://" not in page.replace("http://www.w3.org", "")  # the name of SVG, which nobody fetches
        assert "https://" not in page
        assert "src=" not in page

    def test_escapes_names(self, home: Path) -> None:
        import numpy as np

        arrays = small_arrays() | {"class_names": np.array(["<b>", "a&b", "[red]"])}
        np.savez("odd.npz", **arrays)
        assert main(["build", "--data", "odd.npz", "--target", "host", *QUICK]) == 0
        assert "<b></th>" not in (home / "build/odd/REPORT.html").read_text().replace("<b class", "")


def test_broken_pipe_is_quiet(home: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-c", "import sys; from kangen.cli import main; sys.exit(main())", "datasets"]
    answer = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert answer.returncode == 141
    assert answer.stderr == b""


def test_plain_output_has_no_escape_codes(home: Path) -> None:
    environment = {**os.environ, "NO_COLOR": "1", "FORCE_COLOR": ""}
    assert "\x1b" not in kangen_process("inspect", cwd=home, env=environment).stdout


def test_a_terminal_without_arrows_is_no_failure(home: Path) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    answer = kangen_process("inspect", cwd=home, env=environment)
    assert answer.returncode == 0
    assert "4 ? 4" in answer.stdout
