"""What a session keeps: the choices a visitor made on each page, and everything else that outlives
one run of the script.

A page declares each of its choices once: its name, its kind, its default, whether it stands in the
address, and whether it ends with the model. `key()` binds a choice to its widget and to the
address:

    PAGE = Page("volume_growth")
    STEPS = PAGE.number("steps", 12, 2, 200)
    steps = st.number_input("Steps", 2, 200, key=STEPS.key())

The widget gets no default of its own. Keys contain the name of the page, so no two pages share one
by accident; addresses contain only the name (`?steps=24`), and only values that differ from the
default.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from typing import Any, Generic, Self, TypeVar

import streamlit as st

from memlib.quoting import quoted

T = TypeVar("T")
N = TypeVar("N", int, float)

LONGEST = 2000  # characters of a value in an address; longer ones are ignored
MISSING: Any = object()
ENDING, WRITTEN, SHOWN = "ends with the model", "written to the address", "page shown"


@dataclass(frozen=True)
class Kept(Generic[T]):
    """A value that a session keeps under a name; `make` makes it at the first use."""

    name: str
    make: Callable[[], T]
    _: KW_ONLY
    of_model: bool = False  # is cleared when another model or other images are opened

    def get(self) -> T:
        """Return the value; it is made at the first call."""
        if self.name not in st.session_state:
            self.set(self.make())
        value: T = st.session_state[self.name]
        return value

    def set(self, value: T) -> None:
        """Replace the value."""
        st.session_state[self.name] = value
        if self.of_model:
            _ends(self.name)

    def pop(self) -> T:
        """Return the value and forget it."""
        value = self.get()
        del st.session_state[self.name]
        return value

    def is_new(self) -> bool:
        """Return whether no value has been set or asked for yet."""
        return self.name not in st.session_state

    def __bool__(self) -> bool:
        """Return whether there is a value that is not empty."""
        return bool(st.session_state.get(self.name))


@dataclass(frozen=True)
class Choice(Generic[T]):
    """A choice a visitor makes on a page. This base class accepts any value and has no form in an
    address; the subclasses do.
    """

    page: str
    name: str
    usual: T
    _: KW_ONLY
    of_model: bool = False  # is cleared when another model or other images are opened
    linked: bool = True  # stands in the address

    @property
    def id(self) -> str:
        """Return the key of the widget."""
        return f"{self.page}.{self.name}"

    def value(self) -> T:
        """Return the chosen value, whether or not its widget is drawn in this run: that of the
        widget, else of a link, else of the last visit of the page, else the default.
        """
        for value in (
            st.session_state.get(self.id, MISSING),
            self._of_address(),
            st.session_state.get(f"chosen {self.id}", MISSING),
        ):
            if value is not MISSING and (value == self.usual or self.allows(value)):
                chosen: T = value
                return chosen
        return self.usual

    def key(self) -> str:
        """Bind the choice to the widget drawn next, and to the address; return the widget's key."""
        self.set(self.value())
        return self.id

    def set(self, value: T) -> None:
        """Choose a value; in a run, before the widget is drawn."""
        if self.id not in st.session_state or st.session_state[self.id] != value:
            st.session_state[self.id] = value
        st.session_state[f"chosen {self.id}"] = value
        if self.linked:
            _write(self.name, [] if value == self.usual else self.texts(value))
        if self.of_model:
            for name in (self.id, f"chosen {self.id}"):
                _ends(name, self.name if self.linked else "")

    def allows(self, value: Any) -> bool:
        """Return whether the value can be chosen now."""
        return True

    def texts(self, value: T) -> list[str]:
        """Return the value as text for the address."""
        raise NotImplementedError

    def parse(self, texts: list[str]) -> T:
        """Return the value that an address names. Raises ValueError if it names none."""
        raise NotImplementedError

    def _of_address(self) -> Any:
        texts = st.query_params.get_all(self.name) if self.linked else []
        if not texts or sum(map(len, texts)) > LONGEST:
            return MISSING
        try:
            return self.parse(texts)
        except ValueError:
            return MISSING


@dataclass(frozen=True)
class Text(Choice[str]):
    """A line of text."""

    def allows(self, value: Any) -> bool:
        return isinstance(value, str)

    def texts(self, value: str) -> list[str]:
        return [value]

    def parse(self, texts: list[str]) -> str:
        return texts[-1]


@dataclass(frozen=True)
class Switch(Choice[bool]):
    """Yes or no."""

    def allows(self, value: Any) -> bool:
        return isinstance(value, bool)

    def texts(self, value: bool) -> list[str]:
        return ["true" if value else "false"]

    def parse(self, texts: list[str]) -> bool:
        if texts[-1].lower() not in ("true", "false"):
            raise ValueError(f"{quoted(texts[-1], 40)} is neither true nor false.")
        return texts[-1].lower() == "true"


@dataclass(frozen=True)
class Number(Choice[N]):
    """A number between two limits; an integer if the default is one."""

    low: N
    high: N

    def within(self, low: N, high: N, usual: N) -> Self:
        """Return the same choice with limits and a default that are known only now."""
        return replace(self, low=low, high=high, usual=min(max(usual, low), high))

    def allows(self, value: Any) -> bool:
        return isinstance(value, type(self.usual)) and self.low <= value <= self.high

    def texts(self, value: N) -> list[str]:
        return [_number(value)]

    def parse(self, texts: list[str]) -> N:
        number = float(texts[-1])
        if not math.isfinite(number) or (isinstance(self.usual, int) and number != int(number)):
            raise ValueError(f"{quoted(texts[-1], 40)} is not a number that can be chosen here.")
        return type(self.usual)(number)


@dataclass(frozen=True)
class OneOf(Choice[T]):
    """One of some options, or none of them if the default is None."""

    options: Sequence[T]
    words: Callable[[T], str] = str  # how an option is shown; an address may also contain this text

    def among(self, options: Sequence[T], usual: T) -> Self:
        """Return the same choice with options that are known only now."""
        return replace(self, options=tuple(options), usual=usual)

    def allows(self, value: Any) -> bool:
        return value in self.options

    def texts(self, value: T) -> list[str]:
        return [_text(value)]

    def parse(self, texts: list[str]) -> T:
        return _option(texts[-1], self.options, self.words)


@dataclass(frozen=True)
class SomeOf(Choice[list[T]]):
    """Any number of some options."""

    options: Sequence[T]
    words: Callable[[T], str] = str

    def among(self, options: Sequence[T]) -> Self:
        """Return the same choice with options that are known only now."""
        return replace(self, options=tuple(options))

    def allows(self, value: Any) -> bool:
        return all(one in self.options for one in value)

    def texts(self, value: list[T]) -> list[str]:
        return [_text(one) for one in value]

    def parse(self, texts: list[str]) -> list[T]:
        return [_option(text, self.options, self.words) for text in texts]


@dataclass(frozen=True)
class Page:
    """A page that declares choices. Keyword arguments: `linked` and `of_model` of `Choice`."""

    name: str

    def text(self, name: str, usual: str = "", **about: Any) -> Text:
        """Declare a line of text."""
        return Text(self.name, name, usual, **about)

    def switch(self, name: str, usual: bool = False, **about: Any) -> Switch:
        """Declare a choice of yes or no."""
        return Switch(self.name, name, usual, **about)

    def number(self, name: str, usual: N, low: N, high: N, **about: Any) -> Number[N]:
        """Declare a number between two limits, both included."""
        return Number(self.name, name, usual, low, high, **about)

    def one_of(self, name: str, options: Sequence[T], usual: T, **about: Any) -> OneOf[T]:
        """Declare one of some options; `words` says how one is shown."""
        return OneOf(self.name, name, usual, tuple(options), **about)

    def maybe_one_of(self, name: str, options: Sequence[T], **about: Any) -> OneOf[T | None]:
        """Declare one of some options, or none of them."""
        return OneOf(self.name, name, None, tuple(options), **about)

    def some_of(self, name: str, options: Sequence[T] = (), **about: Any) -> SomeOf[T]:
        """Declare any number of some options."""
        return SomeOf(self.name, name, [], tuple(options), **about)

    def any(self, name: str, usual: T, **about: Any) -> Choice[T]:
        """Declare a choice of another kind, such as a range; it does not stand in the address."""
        return Choice(self.name, name, usual, **{"linked": False, **about})


def arrive(page: str) -> bool:
    """Return whether a page is opened from another one; if so, remove from the address what the
    other page wrote there.
    """
    written: dict[str, list[str]] = st.session_state.setdefault(WRITTEN, {})
    other = bool(st.session_state.get(SHOWN, page) != page)
    if other:
        for name, texts in written.items():
            if st.query_params.get_all(name) == texts:
                del st.query_params[name]
        written.clear()
    st.session_state[SHOWN] = page
    return other


def give_way() -> None:
    """End this run of the script where the visitor stopped it, left or did something else."""
    st.session_state.get(SHOWN)  # Streamlit looks for that whenever the session is asked


def end_of_model() -> None:
    """Forget what belongs to the model and images before."""
    for name, parameter in st.session_state.pop(ENDING, {}).items():
        st.session_state.pop(name, None)
        if parameter:
            st.query_params.pop(parameter, None)


def _write(name: str, texts: list[str]) -> None:
    """Set a name in the address to `texts`; nothing is sent if it has them already."""
    written: dict[str, list[str]] = st.session_state.setdefault(WRITTEN, {})
    if st.query_params.get_all(name) != texts:
        if texts:
            st.query_params[name] = texts
        else:
            st.query_params.pop(name, None)
    if texts:
        written[name] = texts
    else:
        written.pop(name, None)


def _ends(name: str, parameter: str = "") -> None:
    st.session_state.setdefault(ENDING, {})[name] = parameter


def _number(value: float) -> str:
    return str(int(value)) if math.isfinite(value) and value == int(value) else str(value)


def _text(value: object) -> str:
    return _number(value) if isinstance(value, float) else str(value)


def _option(text: str, options: Sequence[T], words: Callable[[T], str]) -> T:
    for option in options:
        if text in (_text(option), words(option)):
            return option
    raise ValueError(f"{quoted(text, 40)} is not one of the options.")
