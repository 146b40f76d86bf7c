"""Controls for settings, drawn from the declarations of their class."""

from collections.abc import Collection, Sequence
from typing import Any, TypeVar

from streamlit.delta_generator import DeltaGenerator

from memlib.options import Option, Options
from pages.session.state import Choice, Page

S = TypeVar("S", bound=Options)


def settings_controls(
    page: Page,
    usual: S,
    names: Sequence[str],
    columns: Sequence[DeltaGenerator],
    unlinked: str = "",
    disabled: Collection[str] = (),
) -> S:
    """Draw one control for each named setting, each in a column; return the chosen settings.

    They start at the `usual` ones and stand in the address, unless `unlinked` names the choices.
    Those in `disabled` are drawn but cannot be changed. Raises ValueError if values do not fit
    together.
    """
    options = type(usual).options()
    chosen = {
        name: _control(
            column, options[name], choice_of(page, usual, name, unlinked), name in disabled
        )
        for name, column in zip(names, columns, strict=False)
    }
    return usual.changed(chosen)


def choice_of(page: Page, usual: Options, name: str, unlinked: str = "") -> Choice[Any]:
    """Return the choice of a setting on a page; a setting whose default depends on the model ends
    with the model.
    """
    option, value = type(usual).options()[name], getattr(usual, name)
    about = {"of_model": option.optional, "linked": not unlinked}
    title = f"{unlinked}{option.address or name}"
    if option.kind is str:
        if not option.choices:
            return page.text(title, value, **about)
        return page.one_of(title, option.choices, value, **about)
    kind = option.kind
    return page.number(title, kind(value), kind(option.low), kind(option.high), **about)


def _control(
    column: DeltaGenerator, option: Option, choice: Choice[Any], disabled: bool = False
) -> Any:
    about: dict[str, Any] = {"help": option.help or None, "disabled": disabled}
    if option.kind is str and option.choices:
        return column.selectbox(option.title, option.choices, key=choice.key(), **about)
    if option.kind is str:
        return column.text_input(option.title, key=choice.key(), **about).strip()
    value = column.number_input(
        option.title,
        option.kind(option.low),
        option.kind(option.high),
        step=option.kind(option.by or (option.step if option.kind is int else 0.01)),
        format=None if option.kind is int else "%.3g",
        key=choice.key(),
        **about,
    )
    return int(value) // option.step * option.step if option.kind is int else float(value)
