"""How a message quotes text from outside: shortened, in one line, with printable characters
only.
"""


def quoted(value: object, longest: int = 200) -> str:
    """Return how Python writes a value, in at most `longest` characters."""
    try:
        text = repr(value[: longest + 1] if isinstance(value, (str, bytes)) else value)
    except ValueError:  # an integer of too many digits
        text = "a number of thousands of digits"
    return shortened(text, longest)


def first_line(error: BaseException, longest: int = 200) -> str:
    """Return the first line of an error's message, or its type if it has none."""
    lines = str(error).strip().splitlines()
    return shortened(lines[0] if lines else type(error).__name__, longest).rstrip(".")


def shortened(text: str, longest: int) -> str:
    """Return a text in one line, with blanks for unprintable characters and … for what is
    left out.
    """
    line = " ".join("".join(one if one.isprintable() else " " for one in text).split())
    return line if len(line) <= longest else f"{line[: longest - 1]}…"
