"""The command ``arms``: one module a command, each with a ``register(app)``."""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated

import typer

from arms import ArmsError, __version__, inspect
from arms._printable import printable
from arms.cli import (
    adapter,
    calibrate,
    candidates,
    data,
    evaluate,
    extend,
    fit,
    merge,
    plot,
    route,
    score,
    train,
)
from arms.convert import command as convert

app = typer.Typer(
    name="arms",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help=(
        "Choose, per request, which vision-language model will answer correctly.\n\n"
        "A model file holds the router and its pool of candidates. Make one with "
        "[bold]arms convert[/bold], look into it with [bold]arms inspect[/bold], edit its pool "
        "with [bold]arms candidates[/bold], teach it with [bold]arms train[/bold], and ask it with "
        "[bold]arms route[/bold]. One comes with the package:\n\n"
        '  arms route chart.png "Which year had the highest sales?"'
    ),
)
for command in (
    route,
    score,
    candidates,
    data,
    convert,
    train,
    extend,
    fit,
    calibrate,
    merge,
    adapter,
    evaluate,
    plot,
    inspect,
):
    command.register(app)


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"arms {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    pass


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 failed, 2 misused.

    Parameters
    ----------
    arguments
        Without the program's name; `None` for those of the process.
    """
    _prepare_streams()
    try:
        code = app(args=arguments, prog_name="arms", standalone_mode=False)
        sys.stdout.flush()
    except (BrokenPipeError, SystemExit) as error:
        # The reader went away (`arms score ... | head`): no error, and nothing left to write. The
        # parser and the tables leave with 1 for it.
        if not any(isinstance(one, BrokenPipeError) for one in (error, error.__context__)):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except (ArmsError, OSError, ValueError, OverflowError) as error:
        code = _failed(_said(error), 1)
    except RecursionError:
        # Of what was read and is walked through: the readers' own errors name the file.
        code = _failed("the input is nested too deep", 1)
    except MemoryError as error:
        code = _failed(str(error) or "out of memory", 1)
    except typer.Abort:
        code = _failed("cancelled", 1)
    except Exception as error:
        # Misuse, as the parser reports it. Its class is of click or of typer, by typer's version.
        if not hasattr(error, "format_message"):
            raise
        message, code = error.format_message(), getattr(error, "exit_code", 2)
        # Empty where the help was printed, for want of arguments.
        if message:
            _failed(f"{message} (try --help)", code)
    sys.exit(code if isinstance(code, int) else 0)


def _prepare_streams() -> None:
    # Closed by whoever started it (`>&-`). What is printed then goes nowhere, and nothing is read.
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            stream = Path(os.devnull).open(mode, encoding="utf-8")  # noqa: SIM115 - for all the run
            setattr(sys, name, stream)
    # A result with a letter replaced is better than none. The errors' stream escapes them already.
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


def _said(error: Exception) -> str:
    """Say what the system refused as the library does: the file first, and no number."""
    if isinstance(error, OSError) and not isinstance(error, ArmsError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def _failed(message: str, code: int) -> int:
    print("arms:", printable(" ".join(message.split())), file=sys.stderr)
    return code
