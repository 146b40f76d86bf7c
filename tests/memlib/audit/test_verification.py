"""A report that is confirmed is the one that was written, and says what its tables say."""

import json
import random
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from memlib.__main__ import main
from memlib.audit.derived import numbers
from memlib.audit.record import Record, definitions
from memlib.audit.report import Entry, picture_url
from memlib.audit.verdicts import COLUMNS
from memlib.audit.verification import (
    DATA,
    FILES,
    HTML,
    canonical,
    packed,
    plain,
    read_report,
    report_files,
    tree,
    verify,
)

OUT, IN, DRAWS = 110, 40, 200  # held-out images, training images, pictures


def record(held_out: int = OUT) -> Record:
    """Of every other training image some pictures are copies; of held-out image 3 one is."""
    draw, count = np.random.default_rng(0), IN + held_out
    images = pd.DataFrame(
        {
            "id": [f"{place:016x}" for place in range(count)],
            "name": [f"<b>{place}</b> & é.png" for place in range(count)],
            "near_duplicates": np.arange(count),
            "cluster": np.arange(count) // 2,
            "held_out": np.arange(count) >= IN,
            "volume_growth": (draw.normal(size=count) - (np.arange(count) >= IN)).astype("f4"),
            "denoising_loss": np.where(np.arange(count) % 7, draw.normal(size=count), np.nan),
        }
    )
    drawn = draw.uniform(0.4, 1, DRAWS).astype("f4")
    nearest = draw.integers(0, IN, DRAWS)
    draws = pd.DataFrame(
        {
            "nearest": nearest,
            "distance": drawn,
            "ratio": np.where(nearest % 2, drawn, np.float32(0.2)),
            "held_out_nearest": IN + 3,
            "held_out_distance": drawn,
            "held_out_ratio": [0.1, *drawn[1:]],
        }
    )
    yes, unsure = "memorised", "unsure"
    given = [("a", 0, yes), ("b", 0, yes), ("a", 1, unsure), ("b", 1, yes)]
    lines = [
        (place, str(place), None, f"{image:016x}", who, 1, 0, True, verdict, "", None, "2026-01-01")
        for place, (who, image, verdict) in enumerate(given)
    ]
    facts: dict[str, Any] = {
        "model": {"name": "model", "digest": "m"},
        "images": {"name": "images", "digest": "i", "count": count},
        "draws": {"digest": "d", "how": "drawn by the deterministic sampler", "guided": False},
        "criterion": {"name": "ratio", "threshold": 1 / 3},
        "executed": {"deterministic draws": f"{DRAWS} pictures"},
        "notes": [],
        "definitions": definitions(["volume_growth", "denoising_loss"]),
        "versions": {"python": "3"},
        "date": "2026-01-01",
    }
    return Record(facts, images, draws, pd.DataFrame(lines, columns=list(COLUMNS)))


def entries() -> list[Entry]:
    shades = (np.full((2, 2, 3), shade, "u1") for shade in (1, 2))
    pictures = [(f"picture {place}", picture_url(shade)) for place, shade in enumerate(shades)]
    said = {"reviewer": "a", "verdict": "memorised", "note": "<i>", "at": "2026"}
    marked = said | {"region": [0, 0, 1, 1], "stale": ""}
    drawn = Entry("0" * 16, "<b>0</b>", [marked], "twice", pictures=pictures, size=(2, 2))
    return [drawn, Entry("1", "1", [])]


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return report_files(record(), entries())


@pytest.mark.slow
def test_each_of_a_thousand_changed_bytes_is_found(files: dict[str, bytes]) -> None:
    chance = random.Random(0)
    for _ in range(1000):
        name = chance.choice(FILES)
        changed = bytearray(files[name])
        place = chance.randrange(len(changed))
        changed[place] = (changed[place] + chance.randrange(1, 256)) % 256
        with pytest.raises(ValueError, match="The report was changed"):
            verify({**files, name: bytes(changed)})


@pytest.mark.parametrize("name", FILES)
def test_bytes_left_out_or_added_are_found_and_the_changed_part_is_named(
    name: str, files: dict[str, bytes]
) -> None:
    for changed in (files[name][:-1], files[name] + b" ", b"", files[name][1:]):
        with pytest.raises(ValueError, match="The report was changed"):
            verify({**files, name: changed})
    other = files[DATA].replace(b'"date":"2026-01-01"', b'"date":"2026-01-02"')
    with pytest.raises(ValueError, match=r"changed: 'report\.json/facts'\."):
        verify({**files, DATA: other})
    with pytest.raises(ValueError, match=r"changed: 'report\.html/\d+'\."):
        verify({**files, HTML: files[HTML].replace(b"twice", b"never")})


def test_an_untouched_report_is_confirmed_in_another_place_and_form(
    files: dict[str, bytes], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "report").mkdir()
    for name, data in files.items():
        (tmp_path / "report" / name).write_bytes(data)
    shutil.copytree(tmp_path / "report", tmp_path / "far" / "away" / "é")
    (tmp_path / "audit.zip").write_bytes(packed(files))
    root = json.loads(files[DATA])["tree"]["root"]
    for place in ("report", f"report/{DATA}", "far/away/é", "audit.zip"):
        assert main(["verify", str(tmp_path / place)]) == 0
        assert root in capsys.readouterr().out
    (tmp_path / "report" / HTML).unlink()
    for place in ("report", "nowhere", "nowhere.zip"):
        assert main(["verify", str(tmp_path / place)]) == 2
        assert "is not a report" in capsys.readouterr().err


def forged(files: dict[str, bytes], change: Any) -> dict[str, bytes]:
    """A report whose content was changed and whose hash tree was made anew."""
    content = json.loads(files[DATA])
    del content["tree"]
    change(content)
    return {**files, DATA: canonical(content | {"tree": tree(content, files)})}


def test_numbers_that_do_not_follow_from_the_tables_are_found_under_new_hashes(
    files: dict[str, bytes],
) -> None:
    changes = {
        "numbers/draws/copies is 3 and": lambda one: one["numbers"]["draws"].update(copies=3),
        "numbers/measures/0/AUC": lambda one: one["numbers"]["measures"][0].update(AUC=0.99),
        "numbers/verdicts/images": lambda one: one["numbers"]["verdicts"]["images"].clear(),
        "numbers/draws/copies": lambda one: one["tables"]["draws"].update(ratio=[0.9] * DRAWS),
        "findings is": lambda one: one["findings"].pop(),
        "report.html is not what": lambda one: one["facts"]["notes"].append("All is well."),
        "cannot be computed": lambda one: one["tables"]["images"].pop("held_out"),
        "has the format 1": lambda one: one.update(format=1),
    }
    assert verify(forged(files, lambda one: None)).numbers > 50
    for said, change in changes.items():
        with pytest.raises(ValueError, match=said):
            verify(forged(files, change))


def test_what_is_stated_is_what_is_in_the_tables() -> None:
    found = plain(numbers(record()))
    draws = record().draws
    copies = int((draws["ratio"] < 1 / 3).sum())
    assert found["draws"]["copies"] == copies == sum(line["copies"] for line in found["rates"])
    assert found["draws"]["low"] < copies / DRAWS < found["draws"]["high"]
    assert all(line["low"] < line["rate"] < line["high"] for line in found["rates"])
    false = found["false hits"]
    assert (false["held-out images"], false["called copied"]) == (OUT, 1)
    assert false["low"] < 1 / OUT < false["high"]
    assert {line["comparison"] for line in found["measures"]} == {
        "reproduced against not",
        "trained against held-out",
    }
    assert found["verdicts"]["images"] == {"memorised": 1, "disputed": 1}
    assert found["verdicts"]["agreement"][0]["same verdict"] == 0.5


def test_too_few_held_out_images_give_no_rate_of_false_hits() -> None:
    found = numbers(record(held_out=99))["false hits"]
    assert found.keys() == {"held-out images", "said"}
    assert "99 different images are held out, fewer than 100" in found["said"]


def test_a_report_without_pictures_or_verdicts_says_so_and_is_confirmed() -> None:
    bare = replace(record(), draws=pd.DataFrame(), verdicts=pd.DataFrame())
    files = report_files(replace(bare, facts={**bare.facts, "draws": {}, "executed": {}}), [])
    assert b"No pictures were drawn for this report." in files[HTML]
    assert files[HTML].count(b"<td>no</td>") == 9
    assert verify(files).numbers


@pytest.mark.slow
def test_the_report_of_the_demo_says_what_the_readme_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "report"
    assert main(["report", "--output", str(folder)]) == 0
    found = json.loads((folder / DATA).read_bytes())["numbers"]
    assert (found["draws"]["copies"], found["draws"]["different images"]) == (1280, 77)
    assert found["false hits"]["held-out images"] == 187
    growth = found["measures"][0]
    assert (round(growth["AUC"], 3), round(growth["low"], 3), round(growth["high"], 3)) == (
        (0.927, 0.856, 0.963)
    )
    assert verify(read_report(folder)).parts > 100
