"""Whatever an address says, every page opens: what is wrong in it is as good as left out, or one
sentence.
"""

import os
from dataclasses import fields

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from memlib.workspace import Sources
from pages.session import long_work, messages, state
from tests.pages.app import ROOT, visit

EXAMPLES = int(os.environ.get("EXAMPLES", "6"))  # addresses for each page
PAGES = sorted(path.parent.name for path in (ROOT / "pages").glob("*/page.py"))
SOURCES = [field.name for field in fields(Sources)]
# what is read otherwise than by a choice, and a page that reads it
READ_ELSEWHERE = {
    **dict.fromkeys(("tour", "presenter", "image", "case"), "overview"),
    **dict.fromkeys(("modes", "at"), "landscapes"),
    "opened": "runs",
    "names": "audit",
}
ODD = [
    *("", " ", "none", "demo", "true", "false", "0", "-1", "1", "2.5", "1e9", "1e999", "nan"),
    *("inf", "-inf", "0x10", "1_000", "9" * 5000, f"-{'9' * 5000}", "0." + "1" * 5000, "٣", "１２"),
    *("²", "x" * 100_000, "a\nb", "a\0b", "\x1b[31m", "\u202e", "🙂", "![x](http://a.org)"),
    *("<b>x</b>", "$x$", "../../etc/passwd", "/proc/self/mem", "~", "someone/model", "a/b:train"),
    *("1,2", "1,2,3", "nan,nan", "0,0,1,1,0,1;2,2,1,1,30,1", "0,0,1,1,0", ";" * 3000),
]
# what no address can carry is left out: halves of a pair of UTF-16
WORDS = some.text(some.characters(exclude_categories=["Cs"]), max_size=40)
VALUES = some.lists(
    some.one_of(
        some.sampled_from(ODD),
        WORDS,
        some.floats().map(str),
        some.integers(-(10**6), 10**6).map(str),
    ),
    min_size=1,
    max_size=3,  # a name may be repeated
)
SETTINGS = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize="EXAMPLES" not in os.environ,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@pytest.fixture(scope="module")
def known() -> dict[str, dict[str, state.Choice]]:
    """The choices that each page looks up in the address, by name."""
    return {}


@pytest.fixture(autouse=True)
def nothing_starts_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """An address may ask for half a minute of work, which is not what is looked at here."""
    monkeypatch.setattr(long_work, "AT_ONCE", 0.0)


def asked(page: str, known: dict[str, dict[str, state.Choice]]) -> dict[str, state.Choice]:
    """The choices a page looks up in the address, found by opening it."""
    if page not in known:
        choices, ask = known.setdefault(page, {}), state.Choice._of_address

        def noted(choice: state.Choice) -> object:
            if choice.linked:
                choices[choice.name] = choice
            return ask(choice)

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(state.Choice, "_of_address", noted)
            visit(page).run()
    return known[page]


def chosen(choice: state.Choice, text: str) -> object:
    """What the page is told if the address gives this text to a choice."""
    if len(text) > state.LONGEST:
        return choice.usual
    try:
        value = choice.parse([text])
    except ValueError:
        return choice.usual
    return value if choice.allows(value) else choice.usual


def opens(page: str, url: dict[str, list[str]]) -> None:
    at = visit(page)
    for name, values in url.items():
        at.query_params[name] = values
    at.run()
    assert not at.exception, [error.stack_trace for error in at.exception]
    for error in at.error:
        assert "\n" not in error.value
        assert len(error.value) <= 2 * messages.LONGEST  # signs of Markdown are escaped
        assert "unexpectedly" not in error.value, error.value


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_any_address_opens_every_page(page: str, known: dict[str, dict[str, state.Choice]]) -> None:
    names = some.one_of(some.sampled_from([*asked(page, known), *READ_ELSEWHERE]), WORDS)

    @SETTINGS
    @given(some.dictionaries(names, VALUES, max_size=12))
    def hold(url: dict[str, list[str]]) -> None:
        opens(page, url)

    hold()


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_any_sources_of_an_address_open_or_are_refused_in_a_sentence(page: str) -> None:
    @SETTINGS
    @given(some.dictionaries(some.sampled_from(SOURCES), VALUES, min_size=1, max_size=6))
    def hold(url: dict[str, list[str]]) -> None:
        opens(page, url)

    hold()


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_every_odd_value_of_every_name_opens_the_page(
    page: str, known: dict[str, dict[str, state.Choice]]
) -> None:
    """The odd values, each given to all names at once; values of which all choices of the page
    make the same are given once.
    """
    choices = asked(page, known)
    told: dict[tuple, str] = {}
    for value in ODD:
        made = [str(chosen(one, value)) for one in choices.values()]
        if page in READ_ELSEWHERE.values():
            made.append(value)
        told.setdefault(tuple(made), value)
    for value in told.values():
        opens(page, {name: [value] for name in (*choices, *READ_ELSEWHERE)})
