"""Properties that hold for any settings: what an address, a manifest or a run folder was given
comes back from it.
"""

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as some

from memlib import GaussianMixture, load_images
from memlib.measures import MEASURES, Settings
from memlib.options import Option
from memlib.runs import create_run, read_run

KINDS = sorted({type(measure.settings) for measure in MEASURES.values()}, key=lambda k: k.__name__)
NUMBERS = some.floats(allow_nan=False, allow_infinity=False)


def value(known: Option) -> some.SearchStrategy[Any]:
    """Any value that a setting takes, but not none."""
    if known.kind is bool:
        return some.booleans()
    if known.kind is str:
        return some.sampled_from(known.choices)
    if known.kind is int:
        low, high = -(-int(known.low) // known.step), int(known.high) // known.step
        number: some.SearchStrategy[Any] = some.integers(low, high).map(lambda n: n * known.step)
    else:
        number = some.floats(known.low, known.high)
    if known.most:
        return some.lists(number, min_size=1, max_size=min(3, known.most)).map(tuple)
    return number | some.sampled_from(known.choices) if known.choices else number


@some.composite
def chosen(draw: some.DrawFn) -> Settings:
    kind = draw(some.sampled_from(KINDS))
    options = {name: value(known) for name, known in kind.options().items()}
    changes = draw(some.fixed_dictionaries({}, optional=options))
    try:
        return kind().changed(changes)
    except ValueError:  # values that do not fit together
        return kind()


@settings(deadline=None)
@given(chosen())
def test_any_settings_come_back_from_their_canonical_form(asked: Settings) -> None:
    assert type(asked).read(json.loads(json.dumps(asked.parameters))) == asked


@settings(deadline=None)
@given(chosen())
def test_any_settings_of_an_address_come_back_from_it(asked: Settings) -> None:
    usual = type(asked)()
    found = usual.with_address(asked.address(usual))
    for name, known in asked.options().items():
        if known.address and getattr(asked, name) is not None:
            assert getattr(found, name) == getattr(asked, name)


@settings(deadline=None)
@given(some.text(max_size=60), some.sampled_from(KINDS))
def test_any_text_in_an_address_is_a_value_or_a_sentence(text: str, kind: type[Settings]) -> None:
    for known in kind.options().values():
        if known.address:
            try:
                kind().with_address({known.address: text})
            except ValueError as error:
                assert "\n" not in str(error)
                assert len(str(error)) < 500


@settings(max_examples=25, deadline=None)
@given(some.lists(NUMBERS, min_size=1, max_size=12), some.integers(1, 5), some.data())
def test_a_run_gives_back_what_was_stored_in_any_chunks_and_any_order(
    values: list[float], chunk: int, data: some.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        draw = np.random.default_rng(0)
        np.save(place / "a.npy", draw.integers(0, 256, (len(values), 2, 2, 3), dtype=np.uint8))
        images = load_images(place / "a.npy")
        model = GaussianMixture(torch.zeros(1, 3, 2, 2), 0.2)
        asked = MEASURES["flipd"].defaults(model)
        run = create_run(place / "run", model, images, "flipd", asked, chunk=chunk)
        order = data.draw(some.permutations(run.pending()))
        stored = order[: data.draw(some.integers(0, len(order)))]
        for one in stored:
            own = run.places(one)
            columns = {
                "index": own,
                "id": [images.ids[i] for i in own],
                "name": [images.names[i] for i in own],
            }
            run.store(one, columns, [{"value": values[i], "stderr": 0.0} for i in own])
        _, rows = read_run(place / "run")
        places = sorted(place for one in stored for place in run.places(one))
        assert {image: row["value"] for image, row in rows.items()} == {
            images.ids[i]: values[i] for i in places
        }
        assert sorted(run.pending()) == sorted(set(order) - set(stored))
