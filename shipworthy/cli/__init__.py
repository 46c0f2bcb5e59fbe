"""The command line: `shipworthy COMMAND --help` says what each command does.

`--json` puts one JSON document on stdout and nothing else; progress goes to stderr. Exit
codes: 0 done; 1 the answer is no; 2 bad input or usage; 3 something outside failed.
"""

from __future__ import annotations

import gc
import io
import os
import sys
import traceback
from collections.abc import Sequence

import click

from ..errors import RowError, ShipworthyError
from .output import print_error

INTERRUPTED = 130
DETAILS = {
    "type": "Interrupted",
    "message": "interrupted; nothing is half-written",
    "hint": "run the same command again: it goes on where it stopped",
    "where": "",
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and leave with its exit code.

    The process ends at once: neither a call that is under way nor an engine's own
    clean-up may keep a terminal waiting.
    """
    gc.set_threshold(100_000, 20, 20)  # looking for garbage amid imports takes a tenth of their time
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")  # as JSON is, whatever the terminal's own encoding
    code = run(list(sys.argv[1:] if arguments is None else arguments))
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (BrokenPipeError, ValueError):
            continue
    os._exit(code)


def run(arguments: list[str]) -> int:
    """Run a command, and give its exit code."""
    from .commands import app

    as_json = _as_json(arguments)
    try:
        result = app.main(arguments, prog_name="shipworthy", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except ShipworthyError as error:
        print_error(error.as_dict(), as_json=as_json)
        return 2 if isinstance(error, RowError) else error.exit_code
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.ClickException as error:
        hint = error.ctx.get_usage() if isinstance(error, click.UsageError) and error.ctx else ""
        details = {"type": "UsageError", "message": error.format_message(), "hint": hint, "where": ""}
        print_error(details, as_json=as_json)
        return 2
    except (KeyboardInterrupt, click.Abort):
        print_error(DETAILS, as_json=as_json)
        return INTERRUPTED
    except SystemExit as error:  # so click ends where nobody reads the output any more
        return error.code if isinstance(error.code, int) else 1
    except Exception as error:  # a fault of ours: it is shown whole, and keeps the command line's contract
        sys.stderr.write(_redacted(traceback.format_exc()))
        print_error(_fault(error), as_json=as_json)
        return 3


def _redacted(text: str) -> str:
    from ..examples import redact

    return redact(text)


def _fault(error: Exception) -> dict[str, str]:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return {
        "type": "InternalError",
        "message": _redacted(f"{type(error).__name__}: {error}"),
        "hint": "this is a fault of shipworthy; please report it with the lines above",
        "where": f"{frame.filename}:{frame.lineno}",
    }


def _as_json(arguments: list[str]) -> bool:
    return "--json" in arguments or arguments[:1] == ["run"]
