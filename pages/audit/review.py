"""The server's side of the desk: the verdicts as a reviewer may see them, and what the browser
sent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from memlib.audit import Change, Unsaved, changed, standing, undoable, visible
from memlib.measures import MEASURES
from pages.audit.casebook import Casebook, Flagged
from pages.audit.choices import EVIDENCE, OUTDATED
from pages.ranking.verdicts import signed_in, verdicts

SHOWN_UNDO = 10  # how many actions of an earlier visit can be undone by key
LARGEST_OUTBOX = 1000


@dataclass(frozen=True)
class Review:
    """The history of a model's verdicts as one reviewer may see it."""

    reviewer: str
    history: pd.DataFrame  # everything
    visible: pd.DataFrame  # what the reviewer may see
    own: dict[
        str, dict[str, Any]
    ]  # the reviewer's last standing entry on each image, even if it undid a verdict
    others: dict[
        str, list[dict[str, Any]]
    ]  # verdicts of others on the images the reviewer has decided

    @property
    def decided(self) -> set[str]:
        return {image for image, line in self.own.items() if line["verdict"]}

    def stale(self, book: Casebook) -> dict[str, list[str]]:
        """Return by image why the reviewer's verdict is stale: the evidence has changed since.
        Evidence is read once a session.
        """
        known, found = EVIDENCE.get(), OUTDATED.get()
        place = {image: index for index, image in enumerate(book.loaded.images.ids)}
        lines = {
            image: line["id"]
            for image, line in self.own.items()
            if line["verdict"] and image in place
        }
        known.update(verdicts().evidence(entry for entry in lines.values() if entry not in known))
        for image, entry in lines.items():
            if (entry, book.version) not in found:
                found[entry, book.version] = changed(known[entry], book.evidence(place[image]))
        return {
            image: found[entry, book.version]
            for image, entry in lines.items()
            if found[entry, book.version]
        }

    def undoable(self) -> list[dict[str, Any]]:
        """List the last actions that can be undone, oldest first: name and images."""
        own = self.history[self.history["reviewer"] == self.reviewer]
        names = undoable(self.history, self.reviewer)[-SHOWN_UNDO:]
        return [
            {"action": name, "images": own.loc[own["action"] == name, "image"].tolist()}
            for name in names
        ]


def review(model: str, reviewer: str) -> Review:
    history = verdicts().history(model)
    seen = visible(history, reviewer) if reviewer else history.iloc[:0]
    mine = seen[(seen["reviewer"] == reviewer) & seen["stands"]].drop_duplicates(
        "image", keep="last"
    )
    own = {str(line["image"]): _plain(line) for line in mine.to_dict("records")}
    others: dict[str, list[dict[str, Any]]] = {}
    holds = standing(seen)
    for line in holds[holds["reviewer"] != reviewer].to_dict("records"):
        others.setdefault(str(line["image"]), []).append(_plain(line))
    return Review(reviewer, history, seen, own, others)


def _plain(line: Mapping[Any, Any]) -> dict[str, Any]:
    return {
        name: line[name]
        for name in ("id", "reviewer", "revision", "verdict", "note", "region", "at")
    }


def take(outbox: Sequence[Mapping[str, Any]], book: Casebook) -> tuple[list[str], list[str]]:
    """Store what the browser sent; return the names of the actions that were handled, and a
    sentence for each that was not stored.

    What a browser sends is not trusted: a message that cannot be understood is answered by a
    sentence.
    """
    dealt, said = [], []
    images = book.loaded.images
    place = {image: index for index, image in enumerate(images.ids)}
    for act in list(outbox)[:LARGEST_OUTBOX]:
        name = str(act.get("action", ""))[:64]
        reviewer = signed_in() or str(act.get("reviewer", ""))
        model = book.loaded.denoiser.digest
        try:
            if act.get("model") != model:
                raise ValueError(
                    "A verdict on another model was not saved; open that model and decide again."
                )
            if act.get("undoes"):
                lost = verdicts().undo(model, reviewer, str(act["undoes"]), name)
                sentence = "has since been decided again in another window; nothing was undone"
            else:
                flagged = _flagged(act.get("flagged"))
                entries = [
                    Change(
                        str(change["image"]),
                        change["verdict"],
                        int(change["based_on"]),
                        str(change.get("note") or ""),
                        change.get("region"),
                        book.evidence(place[str(change["image"])], flagged),
                    )
                    for change in act["changes"]
                ]
                lost = verdicts().decide(model, reviewer, entries, name)
                sentence = (
                    "was decided in another window meanwhile; that verdict stands and yours is "
                    "in the history. Look at it and decide again"
                )
            said += [
                f"{images.names[place[image]]} {sentence}." for image in lost if image in place
            ]
        except (KeyError, TypeError, AttributeError) as error:
            said.append(
                f"A message from the browser was not understood ({type(error).__name__}); reload "
                "the page."
            )
        except Unsaved:
            raise
        except ValueError as error:
            said.append(str(error))
        dealt.append(name)
    return dealt, said


def _flagged(sent: Any) -> Flagged | None:
    if not isinstance(sent, Mapping) or sent.get("measure") not in MEASURES:
        return None
    return Flagged(str(sent["measure"]), float(sent["threshold"]))
