"""Messages to the visitor, as plain text: names and messages come from files and other people, and
must not be read as Markdown. Every error ends as one sentence.
"""

import logging
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

LOG = logging.getLogger("afterimage")
JOINER = "\u2060"  # has no width and does not break lines
LONGEST = 400  # characters of an error shown to the visitor


def plain(text: object) -> str:
    """Return text that Streamlit's Markdown shows literally, character by character.

    Every label, title, option and heading that contains a name from outside (of a group, reviewer,
    image, model or file) goes through here. Streamlit also turns plain words into links, icons and
    emoji after reading the Markdown, so an invisible joiner splits them.
    """
    one_line = " ".join(str(text).split())
    apart = re.sub(r"(?i)(:)(?=[a-z/])|(@)|(?<=\bwww)()(?=\.)", rf"\g<0>{JOINER}", one_line)
    escaped = re.sub(r"([\\`*_{}\[\]()#+!|<>~$:@&])", r"\\\1", apart)
    return re.sub(r"^(-|\d+(?=\.))", lambda start: _not_a_list(start.group()), escaped)


def _not_a_list(start: str) -> str:
    return f"\\{start}" if start == "-" else f"{start}{JOINER}"


def show_error(error: Exception | str) -> None:
    """Show an error as one sentence."""
    text = " ".join(str(error).split())
    shown = text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
    st.error(plain(shown), icon=":material/error:")


@contextmanager
def guarded() -> Iterator[None]:
    """Turn any uncaught exception of a page into a sentence and an entry in the log.

    Streamlit's own exceptions, which stop or restart the script, are not subclasses of `Exception`
    and pass.
    """
    try:
        yield
    except ValueError as error:
        LOG.exception("A page ended with an error.")
        show_error(error)
    except OSError as error:
        LOG.exception("A page could not read a file.")
        name = str(error.filename or "").rsplit("/", 1)[-1]
        show_error(
            f"A file this page needs could not be read{f': {name!r}' if name else ''}. If it was "
            "moved or deleted, load the images again on the workspace page."
        )
    except Exception as error:
        LOG.exception("A page ended with an error.")
        show_error(
            f"This page ended unexpectedly ({type(error).__name__}); see the server's log. Reload "
            "it to go on."
        )


def number(value: float) -> str:
    """Write a number with four digits at most, without an exponent if that is readable."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    text = f"{value:.4g}"
    tiny = "e" in text and abs(value) > 1e-7
    return f"{float(text):.10f}".rstrip("0") if tiny else text


def plus_minus(error: float) -> str:
    """Write a standard error with two digits, as it stands behind a value; "" if it is unknown."""
    return "" if math.isnan(error) else f"± {number(float(f'{error:.2g}'))}"
