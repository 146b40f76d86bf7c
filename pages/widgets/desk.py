"""The auditor's desk: one case on one screen, decided by keyboard.

The browser has the next cases and draws them at once. Actions go into an outbox in the browser
until the server has confirmed each by its name. Sending an action twice is harmless, so nothing is
lost between two runs, by a lost connection or by a reload.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from memlib.audit import VERDICTS
from pages.widgets.component import Event, widget


@dataclass(frozen=True)
class State:
    """The state of the desk: the open case, the cases that the browser has, and the actions that
    are not confirmed yet.
    """

    at: str | None = None
    known: Sequence[str] = ()
    outbox: Sequence[Mapping[str, Any]] = ()


_component = widget("desk")


def desk(data: Mapping[str, Any], key: str, on_state: Callable[[State], None]) -> None:
    """Draw the desk; `on_state` is called with each new state, before the page runs again."""

    def heard(event: Event) -> None:
        on_state(State(event["at"], tuple(event["known"]), tuple(event["outbox"])))

    _component(key=key, data={**data, "verdicts": list(VERDICTS)}, on_event=heard)
