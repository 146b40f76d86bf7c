"""The command line: `afterimage COMMAND`, or `python -m memlib COMMAND`. A command is one module
of memlib.commands.
"""

import argparse
import contextlib
import errno
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from memlib.commands import COMMANDS, help_of
from memlib.commands.progress import Report, Stopped
from memlib.tasks import Task

DONE, FAILED, BAD_INPUT, STOPPED = 0, 1, 2, 130
CODES = (
    "Exit codes: 0 done, 2 bad input (explained in one sentence), 1 failed while working, 130 "
    "stopped. Finished results are stored; the same command continues from there."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; None stands for this process's arguments."""
    installed = Path(sys.argv[0]).stem == "afterimage"
    parser = argparse.ArgumentParser(
        prog="afterimage" if installed else "python -m memlib",
        description="What a diffusion model remembers.",
        epilog=CODES,
    )
    commands = parser.add_subparsers(required=True, metavar="command")
    given = sys.argv[1:] if arguments is None else list(arguments)
    for name in COMMANDS:
        details = help_of(name)
        own = commands.add_parser(
            name,
            help=details.splitlines()[0].rstrip("."),
            description=details,
            epilog=CODES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if name in given[:1]:
            _declare(own, name)
    asked = parser.parse_args(given)
    if asked.task and not asked.task.is_dir():
        parser.error(f"--task: there is no folder {str(asked.task)!r}")
    task = Task(asked.task) if asked.task else None
    report = Report(asked.json, task)
    with task.held() if task else contextlib.nullcontext():
        code, text = _run(asked, report)
        report.close()
        if text:
            print(f"{parser.prog}: {text}", file=sys.stderr)
        if task:
            with contextlib.suppress(OSError):  # a full disk
                task.end(code, text)
    return code


def _declare(parser: argparse.ArgumentParser, name: str) -> None:
    """Declare the arguments of a command, and those that all commands have."""
    command = import_module(f"memlib.commands.{name}")
    command.arguments(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object per line")
    parser.add_argument(
        "--task",
        type=Path,
        metavar="FOLDER",
        help="write progress to this folder, and stop when a file 'stop' appears there",
    )
    parser.set_defaults(command=command.run)


def _run(asked: argparse.Namespace, report: Report) -> tuple[int, str]:
    """Run the command; return its exit code, and a message if it is not 0."""
    try:
        asked.command(asked, report)
    except ValueError as error:
        return BAD_INPUT, str(error)
    except (KeyboardInterrupt, Stopped):
        return STOPPED, "Stopped; finished results are stored."
    except OSError as error:
        full = (
            (" Free some space and give the same command again; finished results are stored.")
            if error.errno in (errno.ENOSPC, errno.EDQUOT)
            else ""
        )
        return (
            FAILED,
            f"{error.strerror or error}{f' ({error.filename})' if error.filename else ''}.{full}",
        )
    except Exception as error:  # from torch, a worker, or this library
        traceback.print_exc()
        return FAILED, f"{type(error).__name__}: {error}"
    return DONE, ""


if __name__ == "__main__":
    sys.exit(main())
