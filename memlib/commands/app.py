"""Open the app in the browser, on the bundled demo.

Models and images can be opened from the working directory and from the folders named here. The app
keeps its runs and verdicts in .afterimage below the working directory.
"""

import argparse
import os
import sys
from pathlib import Path

from memlib.bundled import APP
from memlib.commands.progress import Report
from memlib.quoting import quoted


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folders",
        nargs="*",
        type=Path,
        metavar="FOLDER",
        help="a folder that the app may read besides the working directory",
    )


def run(asked: argparse.Namespace, report: Report) -> None:
    """Become the process of the app."""
    for folder in asked.folders:
        if not folder.is_dir():
            raise ValueError(f"There is no folder {quoted(str(folder))}.")
    server = APP / "serve.py"
    if not server.is_file():
        raise ValueError("The app is not here, only its library; install the whole project.")
    report.close()
    os.execv(sys.executable, [sys.executable, str(server), *map(str, asked.folders)])
