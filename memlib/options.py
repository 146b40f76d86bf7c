"""Settings: one frozen dataclass for each kind of work, which states each default once.

A field is declared with `option`, which also says what it is called, what it means and which values
it takes. Everything else follows from that: a page builds its controls from `options`, a result is
stored under `parameters`, an address holds `address`, a command line and a manifest are read by
`read`. Values are checked when the object is made, so that no address and no manifest asks for
absurd work.
"""

import dataclasses
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from memlib.quoting import quoted

SEEDS = 2**31 - 1  # the largest seed
NUMBER = re.compile(r"[+-]?[0-9.]{1,24}([eE][+-]?[0-9]{1,3})?")  # as an address writes it
LONGEST = 1000  # characters of a text that is not one of some words
SHOWN = 40  # characters of a wrong value that a message quotes


@dataclass(frozen=True)
class Option:
    """One setting as people see it, and the values it takes."""

    title: str
    help: str
    kind: type  # int, float, bool or str
    low: float = -math.inf
    high: float = math.inf
    # the words a str may be, any where there are none; words an int may be instead of a number
    choices: tuple[str, ...] = ()
    step: int = 1  # numbers are multiples of it
    by: float = 0  # how far a control goes at a press of its button; 0 for `step`, or 0.01
    most: int = 0  # a tuple of 1 to `most` numbers instead of a number, where positive
    optional: bool = False  # may be None
    implied: bool = False  # left out of `parameters` while it has its default
    address: str = ""  # its name in an address; "" where it does not stand there

    @property
    def allowed(self) -> str:
        """The values it takes, in words."""
        if self.kind is bool:
            return "true or false"
        words = " or ".join(self.choices)
        if self.kind is str:
            return words or f"a line of 1 to {LONGEST} characters"
        sort = {1: "a whole number", 2: "an even number"}[self.step] if self.kind is int else ""
        text = f"{sort or 'a number'} from {_plain(self.low)} to {_plain(self.high)}"
        if self.most:
            return f"1 to {self.most} numbers, each from {_plain(self.low)} to {_plain(self.high)}"
        return f"{text}, or {words}" if words else text

    def take(self, name: str, value: Any) -> Any:
        """The value in its own type; ValueError where it is not allowed."""
        if value is None and self.optional:
            return None
        if self.kind is bool or self.kind is str:
            if isinstance(value, self.kind) and (self.kind is bool or self._is_word(value)):
                return value
        elif self.most and isinstance(value, (list, tuple)):
            if 1 <= len(value) <= self.most:
                one = dataclasses.replace(self, most=0)
                return tuple(one.take(name, part) for part in value)
        elif not self.most:
            if isinstance(value, str) and value in self.choices:
                return value
            number = self._number(value)
            if number is not None:
                return number
        raise ValueError(f"{name} must be {self.allowed}, not {quoted(value, SHOWN)}.")

    def _is_word(self, text: Any) -> bool:
        if self.choices:
            return text in self.choices
        return 0 < len(text) <= LONGEST and text.isprintable()

    def _number(self, value: Any) -> int | float | None:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return None
        if not self.low <= value <= self.high:  # also NaN, and integers too long for a float
            return None
        if self.kind is int:
            return int(value) if value == int(value) and int(value) % self.step == 0 else None
        return float(value)

    def parse(self, name: str, text: str) -> Any:
        """The value of a text in an address; ValueError where it means nothing."""
        if self.kind is bool:
            return self.take(name, {"true": True, "false": False}.get(text, text))
        if self.kind is str or text in self.choices:
            return self.take(name, text)
        try:
            numbers = [self._read(part) for part in text[:2000].split(",")]
        except ValueError:
            raise ValueError(f"{name} must be {self.allowed}, not {quoted(text, SHOWN)}.") from None
        return self.take(name, numbers if self.most or len(numbers) > 1 else numbers[0])

    def _read(self, text: str) -> int | float:
        if not NUMBER.fullmatch(text):
            raise ValueError
        number = float(text)
        return int(number) if self.kind is int and number.is_integer() else number


def option(
    default: Any,
    title: str,
    help: str = "",
    *,
    kind: type | None = None,
    **limits: Any,
) -> Any:
    """A field of a `Settings` class: its default, and an `Option` of the same words.

    `kind` is the type of the default unless given.
    """
    return dataclasses.field(
        default=default,
        metadata={"option": Option(title, help, kind or type(default), **limits)},
    )


@dataclass(frozen=True, kw_only=True)
class Options:
    """What one kind of work is asked to do. Subclasses add their fields.

    Raises ValueError, in one sentence, for a value that is not allowed.
    """

    seed: int = option(
        0,
        "Seed",
        "The same seed makes the same random draws, shared by all images.",
        low=0,
        high=SEEDS,
        address="seed",
    )

    def __post_init__(self) -> None:
        for name, known in self.options().items():
            object.__setattr__(self, name, known.take(name, getattr(self, name)))
        self.check()

    def check(self) -> None:
        """Raise ValueError where values that are allowed one by one do not fit together."""

    @classmethod
    def options(cls) -> dict[str, Option]:
        """Every setting by name, the seed last."""
        found = {field.name: field.metadata["option"] for field in dataclasses.fields(cls)}
        return found | {"seed": found.pop("seed")}

    @property
    def parameters(self) -> dict[str, Any]:
        """The canonical form, of JSON values: results are stored under it, manifests hold it, and
        the function that does the work takes it. What is not given, or implied, is left out.
        """
        found = {}
        for name, known in self.options().items():
            value = getattr(self, name)
            if value is not None and not (known.implied and value == getattr(type(self), name)):
                found[name] = list(value) if isinstance(value, tuple) else value
        return found

    @classmethod
    def read(cls, parameters: Mapping[str, Any]) -> Self:
        """Settings from a canonical form, or from some of its values; ValueError for others."""
        return cls().changed(parameters)

    def changed(self, changes: Mapping[str, Any]) -> Self:
        """The same settings with some values changed; ValueError for names it does not have."""
        unknown = [name for name in changes if name not in self.options()]
        if unknown:
            raise ValueError(
                f"There is no parameter {quoted(unknown[0], SHOWN)}; choose from "
                f"{', '.join(self.options())}."
            )
        return replace(self, **changes)

    def address(self, usual: Self) -> dict[str, str]:
        """What of these settings differs from the `usual` ones, as texts for an address."""
        return {
            known.address: _text(getattr(self, name))
            for name, known in self.options().items()
            if known.address
            and getattr(self, name) != getattr(usual, name)
            and getattr(self, name) is not None
        }

    def with_address(self, address: Mapping[str, str]) -> Self:
        """These settings with what an address says; other names in it are not looked at.

        Raises ValueError where a text is not a value of its setting.
        """
        return self.changed(
            {
                name: known.parse(name, address[known.address])
                for name, known in self.options().items()
                if known.address and known.address in address
            }
        )


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(map(_text, value))
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else f"{value}"


def _plain(number: float) -> str:
    return f"{number:,.0f}" if number == int(number) else f"{number:g}"
