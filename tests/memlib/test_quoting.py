"""What came from outside is quoted shortly, in one line, in letters that print."""

import pytest

from memlib.quoting import first_line, quoted, shortened


@pytest.mark.parametrize(
    "value",
    [
        "x" * 10**6,
        "a\nb\x1b[31m",
        "\ud800",
        "\u202e",
        10**6000,
        [10**6000],
        {"a": "x" * 999},
        b"\0",
    ],
    ids=["long", "lines", "half a pair", "mirrored", "digits", "list", "dict", "bytes"],
)
def test_any_value_is_quoted_in_one_short_line_that_prints(value: object) -> None:
    for longest in (20, 200):
        text = quoted(value, longest)
        assert 0 < len(text) <= longest
        assert text.isprintable()


def test_a_short_value_is_quoted_as_python_writes_it() -> None:
    assert quoted("it's") == '"it\'s"'
    assert quoted(2.5) == "2.5"
    assert shortened("abcdef", 4) == "abc…"


def test_an_error_is_said_by_its_first_line_or_by_its_kind() -> None:
    assert first_line(ValueError("\n one.\ntwo")) == "one"
    assert first_line(KeyError()) == "KeyError"
