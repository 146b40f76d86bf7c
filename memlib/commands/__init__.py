"""The commands of `python -m memlib`, in the order of its help.

A command is a module: its docstring is its help, NAME its name, `arguments(parser)` declares its
arguments, and `run(asked, report)` runs it. Bad input is a ValueError.
"""

from memlib.commands import demo, evidence, extract, measure, reproduce, show, survey

COMMANDS = (survey, measure, extract, reproduce, evidence, show, demo)
