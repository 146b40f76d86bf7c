"""How a message quotes what came from outside: shortly, in one line, in letters that print."""


def quoted(value: object, longest: int = 200) -> str:
    """Return how Python writes a value, in at most `longest` characters."""
    try:
        text = repr(value[: longest + 1] if isinstance(value, (str, bytes)) else value)
    except ValueError:  # an integer of too many digits
        text = "a number of thousands of digits"
    return shortened(text, longest)


def first_line(error: BaseException, longest: int = 200) -> str:
    """Return the first line of what an error says, or its kind where it says nothing."""
    lines = str(error).strip().splitlines()
    return shortened(lines[0] if lines else type(error).__name__, longest).rstrip(".")


def shortened(text: str, longest: int) -> str:
    """Return a text in one line, with a blank for what does not print and … for what is left
    out.
    """
    line = " ".join("".join(one if one.isprintable() else " " for one in text).split())
    return line if len(line) <= longest else f"{line[: longest - 1]}…"
