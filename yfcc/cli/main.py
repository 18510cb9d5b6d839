"""The ``yfcc`` command: finds the subcommand, turns errors into messages and exit codes."""

from __future__ import annotations

import contextlib
import errno
import gc
import json
import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Annotated, Final, NoReturn

import typer

from yfcc import __version__
from yfcc.cli import (
    demo,
    download,
    export,
    forget,
    metadata,
    query,
    recheck,
    report,
    search,
    selections,
    status,
    verify,
)
from yfcc.cli.credits import list_credits
from yfcc.cli.options import check_settings, hand_on
from yfcc.cli.output import answers_in_json
from yfcc.cli.streams import keep_stderr_usable
from yfcc.config import read_settings, spare_blas_threads
from yfcc.errors import InterruptedRun, TargetError, UsageError, YfccError
from yfcc.plain_text import safe_text
from yfcc.redact import redact_text

#: Objects that have to be new before Python looks for garbage among them. Loading a command's
#: modules makes some hundred thousand, none of them garbage: usual is 700, and took a tenth of
#: what every command needs to start.
_N_NEW_OBJECTS: Final = 50_000

#: What the system says where no more can be written.
_FULL: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO}

app = typer.Typer(
    name="yfcc",
    help="One DuckDB catalog and a verified, resumable, lawful mirror of YFCC100M.",
    invoke_without_command=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    epilog="Exit codes: 0 done, 1 unexpected error, 2 usage, 3 some items failed (run again), "
    "4 source at fault, 5 locked, 6 target full or read-only, 7 rate limits, "
    "8 verify found damage, 9 too many rejected lines, 130 Ctrl-C, 143 SIGTERM.",
)
# What the list of commands says; the first line of a docstring would be cut short there.
app.command("metadata", short_help="Build the catalog from the metadata files; resumes.")(
    metadata.metadata
)
app.command("download", short_help="Mirror the selected media; resumes.")(download.download)
app.command("status", short_help="Show how a mirror stands: items by outcome, the last run.")(
    status.status
)
app.command("report", short_help="Write a run as one HTML page with plots.")(report.report)
app.command("verify", short_help="Read every stored byte again; repair what is damaged.")(
    verify.verify
)
app.command("forget", short_help="Remove items for good: media, records, catalog, exports.")(
    forget.forget
)
app.command("recheck", short_help="Ask politely whether stored items are still public.")(
    recheck.recheck
)
app.command("query", short_help="Run one SELECT over the catalog and the mirror's records.")(
    query.query
)
app.command("search", short_help="Find words in titles, descriptions and tags, best first.")(
    search.search
)
app.command("index", short_help="Build the index of words ahead.")(search.index)
app.command("selections", short_help="List saved selections, or show, cite and check one.")(
    selections.selections
)
app.command("credits", short_help="Write title, author, source and licence of every item.")(
    list_credits
)
app.add_typer(export.app, name="export", short_help="Write items in a form that other tools read.")
app.add_typer(
    demo.app, name="demo", short_help="A synthetic sample and its servers: no account needed."
)


def _show_version(is_wanted: bool) -> None:
    if is_wanted:
        typer.echo(f"yfcc {__version__}")
        raise typer.Exit


@app.callback()
def _every_command(
    context: typer.Context,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the stack trace of an error.")
    ] = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    settings = read_settings(Path.cwd())
    check_settings(settings, context.command)
    hand_on(settings, context)
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(UsageError.exit_code)


def main() -> NoReturn:
    """Run the command line and leave with its exit code."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    _open_missing_streams()
    keep_stderr_usable()
    words, is_debug = _take_debug(sys.argv[1:])
    spare_blas_threads()
    gc.set_threshold(_N_NEW_OBJECTS, *gc.get_threshold()[1:])
    try:
        code = app(words, standalone_mode=False)
    except typer.Abort:
        _fail(InterruptedRun(signal.SIGINT))
    except BrokenPipeError:
        _leave_unread()
    except SystemExit as end:
        # What the command line's library makes of it has the exit code 1.
        if isinstance(end.__context__, BrokenPipeError):
            _leave_unread()
        raise
    except YfccError as error:
        if is_debug:
            raise
        _fail(_interruption() or error)
    except Exception as error:
        if is_debug:
            raise
        _fail(_interruption() or _explained(error))
    _leave(code if isinstance(code, int) else 0)


def _take_debug(words: list[str]) -> tuple[list[str], bool]:
    """A command line without ``--debug``, which may stand anywhere, and whether it was there."""
    end = words.index("--") if "--" in words else len(words)
    kept = [word for word in words[:end] if word != "--debug"]
    return kept + words[end:], len(kept) < end


def _open_missing_streams() -> None:
    """Have a stream for each that was closed, as by ``>&-``: what is said there is lost.

    Otherwise the next file that is opened would get its number, and what is meant for a terminal.
    """
    for number, mode in ((0, "r"), (1, "w"), (2, "w")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
            os.set_inheritable(number, True)
            stream = open(number, mode, encoding="utf-8", closefd=False)  # noqa: SIM115
            setattr(sys, ("stdin", "stdout", "stderr")[number], stream)


def _explained(error: Exception) -> YfccError:
    """An error of the command line's library, or one that nobody foresaw."""
    describe = getattr(error, "format_message", None)
    if callable(describe) and getattr(error, "exit_code", None) == UsageError.exit_code:
        context = getattr(error, "ctx", None)
        help_ = f" See `{context.command_path} --help`." if context else ""
        return UsageError(f"{describe()}{help_}")
    if isinstance(error, OSError) and error.errno in _FULL:
        return TargetError(f"cannot be written: {error}. Free space there, then run again.")
    what = f"unexpected {type(error).__name__}: {error}"
    return YfccError(f"{what}. Run with --debug to see more.")


#: Signals that came.
_received: list[int] = []


def _interrupt(number: int, _frame: FrameType | None) -> NoReturn:
    _received.append(number)
    raise InterruptedRun(number)


def _interruption() -> InterruptedRun | None:
    """The signal behind an error: DuckDB makes "Query interrupted" of what a handler raises."""
    return InterruptedRun(_received[0]) if _received else None


def _fail(error: YfccError) -> NoReturn:
    """Say what happened, in the form that was asked for, and leave."""
    message = redact_text(str(error))
    with contextlib.suppress(OSError, ValueError):
        if answers_in_json():
            shape = {
                "error": {
                    "code": error.exit_code,
                    "kind": type(error).__name__,
                    "message": message,
                }
            }
            print(json.dumps(shape), flush=True)  # noqa: T201
        else:
            # It may quote what strangers wrote; DuckDB's messages have several lines.
            lines = (safe_text(line) for line in message.split("\n"))
            print("yfcc:", "\n".join(lines), file=sys.stderr, flush=True)  # noqa: T201
    if isinstance(error, InterruptedRun):
        # Threads that wait for a slow server would hold up an ordinary exit.
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
        os._exit(error.exit_code)
    _leave(error.exit_code)


def _leave_unread() -> NoReturn:
    """Exit when the reader of our output went away, as ``| head`` does: no failure of ours."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    _leave(0)


def _leave(code: int) -> NoReturn:
    """Exit; what cannot be flushed any more is no reason for a traceback."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError) as error:
            with contextlib.suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
            if code == 0 and getattr(error, "errno", None) in _FULL:
                _fail(TargetError(f"standard output: cannot be written: {error}."))
    sys.exit(code)


if __name__ == "__main__":
    main()
