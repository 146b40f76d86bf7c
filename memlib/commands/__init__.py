"""The commands of `python -m memlib`, in the order of its help.

A command is a module of its name, imported when it is asked for: its docstring is its help,
`arguments(parser)` declares its arguments, and `run(asked, report)` runs it. Bad input is a
ValueError.
"""

import ast
from pathlib import Path

COMMANDS = (
    "app",
    "survey",
    "measure",
    "extract",
    "reproduce",
    "prompts",
    "evidence",
    "report",
    "verify",
    "show",
    "convert",
    "demo",
)


def help_of(command: str) -> str:
    """Return the docstring of a command's module, without importing it."""
    text = Path(__file__).with_name(f"{command}.py").read_text()
    return ast.get_docstring(ast.parse(text)) or ""
