"""A list of prompts is read from lines, CSV and JSONL, and whatever it contains ends as prompts in
one line or as one sentence.
"""

import csv
import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memlib.prompts import PromptList, read_list, typed_list
from memlib.prompts import prompt_list as module
from memlib.prompts.prompt_list import MEMORISED, NOT_MEMORISED

ROWS = [
    {"prompt": "a red cat, running", "label": "1", "file": "cat.png", "more": "x"},
    {"prompt": 'a "blue"\ndog', "label": "no", "file": "", "more": "y"},
]


def as_csv(rows: list[dict[str, str]]) -> bytes:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, rows[0])
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue().encode()


def as_jsonl(rows: list[dict[str, str]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def test_csv_and_jsonl_with_the_same_rows_are_the_same_list() -> None:
    one, other = read_list(as_csv(ROWS), "a.csv"), read_list(as_jsonl(ROWS), "a.jsonl")
    assert (one.prompts, one.digest) == (other.prompts, other.digest)
    first, second = one.prompts
    assert (first.prompt, first.label, first.file) == ("a red cat, running", MEMORISED, "cat.png")
    assert (second.prompt, second.label) == ('a "blue" dog', NOT_MEMORISED)
    assert one.said == "2 prompts, 1 labelled memorised and 1 not."


def test_other_names_of_the_columns_are_known() -> None:
    found = read_list(
        as_jsonl([{"caption": "a cat", "memorized": "yes", "original": "a.png"}]), "l"
    )
    assert len(found) == 1  # lines of text: an object is not read as one without its ending
    (one,) = read_list(
        b'{"caption": "a cat", "memorized": true, "original": "a.png"}', "l.jsonl"
    ).prompts
    assert (one.prompt, one.label, one.file) == ("a cat", MEMORISED, "a.png")


def test_lines_are_prompts_and_repeated_and_empty_ones_are_counted() -> None:
    found = typed_list("a cat\n\n  a   cat \nа dog\u2028")
    assert [one.prompt for one in found.prompts] == ["a cat", "а dog"]
    assert found.left_out == 2


def test_a_list_is_read_again_as_it_was_written(tmp_path: Path) -> None:
    first = read_list(as_csv(ROWS), "a.csv")
    (tmp_path / "list.jsonl").write_text(first.jsonl())
    again = read_list(tmp_path / "list.jsonl")
    assert (again.prompts, again.digest) == (first.prompts, first.digest)


@pytest.mark.parametrize(
    ("data", "name", "sentence"),
    [
        (b"", "l.csv", "contains no prompts"),
        (b"\n\n", "l.txt", "contains no prompts"),
        (b"a,b\n1,2\n", "l.csv", "no column called prompt"),
        (b"prompt\n\xff\n", "l.csv", "no text in UTF-8"),
        (b"[1]\n", "l.jsonl", "not an object"),
        (b"{", "l.jsonl", "damaged in line 1"),
        (b'{"prompt": 7}\n', "l.jsonl", "not a text but 7"),
        (b"prompt,label\na cat,perhaps\n", "l.csv", "not 'perhaps'"),
        (b"prompt\n" + 4001 * b"a" + b"\n", "l.csv", "4,001 characters"),
        (b"prompt\n" + 200_000 * b"a" + b"\n", "l.csv", "damaged in line"),
        (b"[" * 100_000, "l.jsonl", "damaged in line 1"),
    ],
)
def test_a_bad_list_is_refused_in_one_sentence(data: bytes, name: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence) as found:
        read_list(data, name)
    assert len(str(found.value)) < 400
    assert "\n" not in str(found.value)


def test_too_many_prompts_and_too_large_files_are_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(module, "MOST", 3)
    assert len(typed_list("a\nb\nc")) == 3
    with pytest.raises(ValueError, match="more than 3 prompts"):
        typed_list("a\nb\nc\nd")
    monkeypatch.setattr(module, "LARGEST", 10)
    (tmp_path / "l.txt").write_text("a" * 11)
    with pytest.raises(ValueError, match="larger than"):
        read_list(tmp_path / "l.txt")


def test_a_list_outside_the_allowed_folders_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "l.txt").write_text("a cat")
    (tmp_path / "in" / "l.txt").symlink_to(tmp_path / "l.txt")
    for place in (tmp_path / "l.txt", tmp_path / "in" / "l.txt"):
        with pytest.raises(ValueError, match=r"outside|leads out"):
            read_list(place, roots=[tmp_path / "in"])


@given(st.binary(max_size=300), st.sampled_from(["l.csv", "l.jsonl", "l.txt"]))
def test_any_bytes_are_a_list_or_a_sentence(data: bytes, name: str) -> None:
    try:
        found = read_list(data, name)
    except ValueError as error:
        assert "\n" not in str(error)
        return
    check(found)


@given(st.lists(st.text(max_size=40), max_size=8))
def test_any_texts_become_prompts_in_one_line(texts: list[str]) -> None:
    rows = [{"prompt": text, "file": text} for text in texts]
    try:
        found = read_list(json.dumps({"prompt": "x"}).encode() + b"\n" + as_jsonl(rows), "l.jsonl")
    except ValueError:
        return
    check(found)
    assert read_list(found.jsonl().encode(), "l.jsonl").prompts == found.prompts


def check(found: PromptList) -> None:
    prompts = [one.prompt for one in found.prompts]
    assert len(set(prompts)) == len(prompts) == len(found)
    for one in found.prompts:
        assert one.prompt
        assert one.prompt.isprintable()
        assert one.file.isprintable()
        one.prompt.encode()
