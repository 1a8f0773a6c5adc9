"""The command line. Commands import what they need when they run, so that --help answers at once."""

from __future__ import annotations

import contextlib
import difflib
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from kangen.distill.errors import KangenError, unknown
from kangen.options import FOLDER, names, training_options

INTERRUPTED, BROKEN_PIPE, UNEXPECTED = 130, 141, 70


class Stopped(Exception):  # noqa: N818 - nothing went wrong
    """Ctrl-C, carried past click, which would print an empty line."""


class Kangen(click.Group):
    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            raise unknown("command", args[0], self.commands)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (KeyboardInterrupt, click.Abort) as error:
            raise Stopped(ctx.invoked_subcommand) from error

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(self.commands)  # in the order in which they are used


@click.group(
    cls=Kangen,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="kangen", message="kangen %(version)s")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Graph neural networks teach small Fourier-KAN classifiers, which become plain integer C for microcontrollers.

    \b
    From smartwatch recordings to C that is proven to compute what Python computes:
      kangen build --target cortex-m4
      kangen verify
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


@cli.command()
@training_options
@click.option(
    "--target", type=names, default="cortex-m", show_default=True, metavar="NAME,…", help="See 'kangen targets'."
)
@click.option("--name", metavar="NAME", help="Prefix of every C name and file. [default: the data set's name]")
@click.option(
    "--out", type=FOLDER, default=Path("build"), show_default=True, metavar="DIR", help="The build is DIR/NAME."
)
def build(target: tuple[str, ...], name: str | None, out: Path, **options: Any) -> None:
    """Make C from data: train when there is no run yet, quantise, and write everything to build/NAME.

    \b
    kangen build                                            the smartwatch example
    kangen build --data cora --target cortex-m0plus         words of papers, for a small core
    kangen build --data mine.csv --label kind --name gait   your own table
    """
    from kangen import api, summary
    from kangen.console import progress

    with progress() as report:
        made = api.build(target=target, name=name, out=out, report=report, **options)
    summary.print_build(made)


@cli.command()
@training_options
def train(**options: Any) -> None:
    """Train teacher and student, and keep them in a run directory. An interrupted run goes on where it stopped.

    \b
    kangen train                                         runs/watch, for 'kangen build' to use
    kangen train --data cora --hidden 64 --run runs/wide
    kangen build --data cora --run runs/wide
    """
    from kangen import api, summary
    from kangen.console import progress

    with progress() as report:
        run = api.train(report=report, **options)
    summary.print_run(run)


@cli.command()
@click.argument("build_dir", metavar="[build/NAME]", type=FOLDER, required=False)
def verify(build_dir: Path | None) -> None:
    """Compile the C of a build, run it on this machine and on every core that can be emulated, and compare all bytes.

    Exits with 1 when anything differs from the integer reference. A core that could not run is listed with the reason.

    \b
    kangen verify                       the only build in build/
    kangen verify build/watch
    """
    from kangen import api, summary
    from kangen.console import progress

    with progress() as report:
        result = api.verify(build_dir, report=report)
    summary.print_verification(result)
    result.demand()


@cli.command()
@click.argument("path", metavar="[build/NAME | program.safetensors]", type=FOLDER, required=False)
@click.option("--picture", type=FOLDER, metavar="FILE.png", help="Draw the most influential edge functions.")
def inspect(path: Path | None, picture: Path | None) -> None:
    """Show a Program layer by layer, and draw what it has learned.

    \b
    kangen inspect                                       the only build in build/
    kangen inspect build/watch --picture watch.png
    """
    from kangen import api, summary

    found = api.inspect(path)
    if picture is not None:
        found.picture(picture)
    summary.print_inspection(found, picture)


@cli.command()
def datasets() -> None:
    """List the data sets that kangen knows by name, with sizes, licence and origin.

    \b
    kangen datasets
    kangen build --data cora
    """
    from kangen import listings

    listings.print_datasets()


@cli.command()
def targets() -> None:
    """List the targets that C is made for, and what each one gives.

    \b
    kangen targets
    kangen build --target cortex-m0plus,cortex-m4
    """
    from kangen import listings

    listings.print_targets()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; every failure is one line on stderr and an exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # an arrow that a terminal cannot show is no reason to fail
    try:
        cli.main(args=None if arguments is None else list(arguments), prog_name="kangen", standalone_mode=False)
        sys.stdout.flush()
    except KangenError as error:
        return _fail(str(error), error.exit_code)
    except click.ClickException as error:
        return _fail(_usage(error), 2)
    except (Stopped, KeyboardInterrupt) as error:
        trains = error.args in (("train",), ("build",))
        comfort = "the same command goes on where training stopped" if trains else "nothing is left half-written"
        return _fail(f"stopped; {comfort}", INTERRUPTED)
    except (BrokenPipeError, SystemExit):  # click leaves with the latter when a pipe closes, and only then
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115 - so that the interpreter's last flush is quiet
        return BROKEN_PIPE
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        return _fail(f"{place}{error.strerror or error}; check the path, its permissions and the free space", 2)
    except Exception as error:
        if os.environ.get("KANGEN_DEBUG"):
            raise
        what = f"{type(error).__name__}: {error}; this is a bug in kangen"
        return _fail(f"{what}: run again with KANGEN_DEBUG=1 and report what it prints", UNEXPECTED)
    return 0


def _usage(error: click.ClickException) -> str:
    """Click's complaint, with a suggestion where an option is misspelt."""
    context = getattr(error, "ctx", None)
    where = f"; see '{context.command_path} --help'" if context else ""
    if isinstance(error, click.NoSuchOption) and context is not None:
        known = [name for option in context.command.get_params(context) for name in option.opts]
        near = difflib.get_close_matches(error.option_name, known, n=1)
        return f"unknown option '{error.option_name}'" + (f": did you mean '{near[0]}'?" if near else where)
    message = error.format_message().rstrip(".")
    return message[0].lower() + message[1:] + where


def _fail(message: str, code: int) -> int:
    with contextlib.suppress(BrokenPipeError):
        print("error: " + " ".join(message.split()), file=sys.stderr)  # noqa: T201
    return code
