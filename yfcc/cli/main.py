"""The ``yfcc`` command: finds the subcommand, turns errors into messages and exit codes."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn

import click
import typer

from yfcc import __version__
from yfcc.cli import demo, download, metadata, query, status, verify
from yfcc.config import read_settings
from yfcc.errors import InterruptedRun, YfccError

app = typer.Typer(
    name="yfcc",
    help="One DuckDB catalog and a verified, resumable, lawful mirror of YFCC100M.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    epilog="Exit codes: 0 done, 2 usage, 3 some items failed (run again), 4 source at fault, "
    "5 locked, 6 target full or read-only, 7 rate limits, 8 verify found damage, "
    "9 too many rejected lines, 130 Ctrl-C, 143 SIGTERM.",
)
app.command("metadata")(metadata.metadata)
app.command("download")(download.download)
app.command("status")(status.status)
app.command("verify")(verify.verify)
app.command("query")(query.query)
app.add_typer(demo.app, name="demo")


def _show_version(is_wanted: bool) -> None:
    if is_wanted:
        typer.echo(f"yfcc {__version__}")
        raise typer.Exit


@app.callback()
def _every_command(
    context: typer.Context,
    debug: Annotated[bool, typer.Option(help="Show the stack trace of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    settings = read_settings(Path.cwd())
    plain = {key: value for key, value in settings.items() if not isinstance(value, dict)}
    commands = click.Group.list_commands(context.command, context)  # type: ignore[arg-type]
    context.default_map = {name: plain | settings.get(name, {}) for name in commands}
    context.obj = {"debug": debug}


def main() -> NoReturn:
    """Run the command line and leave with its exit code."""
    signal.signal(signal.SIGTERM, _on_sigterm)
    is_debug = "--debug" in sys.argv
    try:
        code = app(standalone_mode=False)
    except click.exceptions.Abort:
        _fail(InterruptedRun(signal.SIGINT))
    except click.ClickException as error:
        error.show()
        _leave(error.exit_code)
    except KeyboardInterrupt:
        if is_debug:
            raise
        _fail(InterruptedRun(signal.SIGINT))
    except BrokenPipeError:
        # The reader of our output went away, as `| head` does; that is no failure of ours.
        _leave(0)
    except YfccError as error:
        if is_debug:
            raise
        _fail(error)
    except Exception as error:
        if is_debug:
            raise
        _fail(
            YfccError(f"unexpected {type(error).__name__}: {error}. Run with --debug to see more.")
        )
    _leave(code if isinstance(code, int) else 0)


def _on_sigterm(_number: int, _frame: FrameType | None) -> NoReturn:
    raise InterruptedRun(signal.SIGTERM)


def _fail(error: YfccError) -> NoReturn:
    """Say what happened, in the form that was asked for, and leave."""
    with contextlib.suppress(OSError, ValueError):
        if "--json" in sys.argv:
            shape = {
                "error": {
                    "code": error.exit_code,
                    "kind": type(error).__name__,
                    "message": str(error),
                }
            }
            print(json.dumps(shape), flush=True)  # noqa: T201
        else:
            print(f"yfcc: {error}", file=sys.stderr, flush=True)  # noqa: T201
    _leave(error.exit_code)


def _leave(code: int) -> NoReturn:
    """Exit; what cannot be flushed any more is no reason for a traceback."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            with contextlib.suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    sys.exit(code)


if __name__ == "__main__":
    main()
