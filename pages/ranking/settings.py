"""Controls for a measure's settings, drawn from what its Settings class declares."""

from collections.abc import Sequence
from typing import Any, TypeVar

from streamlit.delta_generator import DeltaGenerator

from memlib.measures import Option, Settings
from pages.session.state import Choice, Page

S = TypeVar("S", bound=Settings)


def settings_controls(
    page: Page,
    usual: S,
    names: Sequence[str],
    columns: Sequence[DeltaGenerator],
    unlinked: str = "",
) -> S:
    """Draw one control for each named setting, in one column each; return the chosen settings.

    They start at the `usual` ones and stand in the address, unless `unlinked` names the choices.
    Raises ValueError where values do not fit together.
    """
    options = type(usual).options()
    chosen = {
        name: _control(column, options[name], choice_of(page, usual, name, unlinked))
        for name, column in zip(names, columns, strict=False)
    }
    return usual.changed(chosen)


def choice_of(page: Page, usual: Settings, name: str, unlinked: str = "") -> Choice[Any]:
    """The choice that a setting is on a page; what is left to the model ends with it."""
    option, value = type(usual).options()[name], getattr(usual, name)
    about = {"of_model": option.optional, "linked": not unlinked}
    title = f"{unlinked}{option.address or name}"
    if option.kind is str:
        return page.one_of(title, option.choices, value, **about)
    kind = option.kind
    return page.number(title, kind(value), kind(option.low), kind(option.high), **about)


def _control(column: DeltaGenerator, option: Option, choice: Choice[Any]) -> Any:
    if option.kind is str:
        return column.selectbox(
            option.title, option.choices, key=choice.key(), help=option.help or None
        )
    value = column.number_input(
        option.title,
        option.kind(option.low),
        option.kind(option.high),
        step=option.step if option.kind is int else 0.01,
        format=None if option.kind is int else "%.3g",
        key=choice.key(),
        help=option.help or None,
    )
    return int(value) // option.step * option.step if option.kind is int else float(value)
