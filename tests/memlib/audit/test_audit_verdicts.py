"""Verdicts survive: kills in the middle of a write, two windows on one case, many writers, on
SQLite and on a real PostgreSQL.
"""

import itertools
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from memlib.audit import (
    VERDICTS,
    Change,
    Verdicts,
    agreements,
    changed,
    check_name,
    outcomes,
    progress,
    standing,
    undoable,
    visible,
)
from memlib.audit.database import finite

ROOT = Path(__file__).parents[3]
EVIDENCE = {
    "model": "m",
    "images": "i",
    "flagged": {"measure": "volume_growth", "threshold": 5.0},
    "values": {"k": {"value": 2.0}},
}


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real server, started here as a user of its own where tests run as root."""
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/postgres"),
        key=lambda path: int(path.parents[1].name),
    )
    programs = (
        found[-1].parent if found else Path(found) if (found := shutil.which("postgres")) else None
    )
    if programs is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    pytest.importorskip("psycopg")
    folder = tmp_path_factory.mktemp("postgresql")
    as_user: list[str] = []
    if os.geteuid() == 0:
        as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]
        shutil.chown(folder, "postgres", "postgres")
        for parent in folder.parents:  # pytest keeps its folders to their owner
            if parent.stat().st_mode & 0o001 == 0:
                parent.chmod(parent.stat().st_mode | 0o011)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data = folder / "data"
    run = {"check": True, "stdout": subprocess.DEVNULL, "cwd": folder}
    subprocess.run(
        [*as_user, programs / "initdb", "-D", data, "-U", "audit", "-A", "trust", "-E", "UTF8"],
        **run,
    )  # type: ignore[call-overload]
    options = f"-h 127.0.0.1 -p {port} -k {folder}"
    subprocess.run(
        [
            *as_user,
            programs / "pg_ctl",
            "-D",
            data,
            "-w",
            "-l",
            folder / "log",
            "-o",
            options,
            "start",
        ],
        **run,
    )  # type: ignore[call-overload]
    try:
        yield f"postgresql+psycopg://audit@127.0.0.1:{port}/postgres"
    finally:
        subprocess.run(
            [*as_user, programs / "pg_ctl", "-D", data, "-m", "immediate", "stop"], **run
        )  # type: ignore[call-overload]


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'deep' / 'audit.sqlite'}"
    address: str = request.getfixturevalue("postgresql")
    name = f"audit_{next(COUNTER)}"
    with sa.create_engine(address, isolation_level="AUTOCOMMIT").connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    return address.rsplit("/", 1)[0] + f"/{name}"


COUNTER = itertools.count()


def verdict_of(store: Verdicts, image: str, reviewer: str = "Ada") -> str | None:
    holds = standing(store.history("m"))
    lines = holds[(holds["image"] == image) & (holds["reviewer"] == reviewer)]
    return None if lines.empty else lines["verdict"].item()


def test_a_verdict_comes_back_with_everything_it_was_given_with(url: str) -> None:
    store = Verdicts(url)
    note = "a crescent; 'quotes', <b>tags</b> & 𝔘nicode \0"
    assert (
        store.decide(
            "m",
            " Ada  Lovelace ",
            [Change("x", "partly memorised", 0, note, (1, 2, 5, 9), EVIDENCE)],
        )
        == []
    )
    line = Verdicts(url).history("m").iloc[0]
    assert (line["reviewer"], line["verdict"], line["region"], line["revision"]) == (
        "Ada Lovelace",
        "partly memorised",
        [1, 2, 5, 9],
        1,
    )
    assert line["note"] == note.replace("\0", "")
    assert line["at"].endswith("+00:00")
    assert store.evidence([int(line["id"])]) == {1: EVIDENCE}
    assert store.history("another model").empty


def test_two_windows_on_one_case_both_survive_in_the_history_and_the_first_one_stands(
    url: str,
) -> None:
    one, other = Verdicts(url), Verdicts(url)
    assert one.decide("m", "Ada", [Change("x", "memorised")]) == []
    assert other.decide("m", "Ada", [Change("x", "unsure", note="mine")]) == [
        "x"
    ]  # saw no verdict either
    history = one.history("m")
    assert list(history["verdict"]) == ["memorised", "unsure"]
    assert list(history["stands"]) == [True, False]
    assert verdict_of(one, "x") == "memorised"
    assert other.decide("m", "Ada", [Change("x", "unsure", based_on=1)]) == []  # having seen it
    assert verdict_of(one, "x") == "unsure"
    assert (
        one.decide("m", "Bob", [Change("x", "not memorised")]) == []
    )  # another reviewer is no conflict
    assert (verdict_of(one, "x"), verdict_of(one, "x", "Bob")) == ("unsure", "not memorised")


@pytest.mark.parametrize("revision", [-1, 2**31, 10**30])
def test_a_verdict_based_on_a_revision_that_cannot_be_is_a_sentence(
    revision: int, tmp_path: Path
) -> None:
    store = Verdicts(f"sqlite:///{tmp_path / 'audit.sqlite'}")
    with pytest.raises(ValueError, match="based on"):
        store.decide("m", "Ada", [Change("x", "memorised", based_on=revision)])
    assert not len(store.history("m"))


def test_sending_an_action_again_changes_nothing(url: str) -> None:
    store = Verdicts(url)
    for _ in range(3):
        assert (
            store.decide(
                "m", "Ada", [Change("x", "memorised"), Change("y", "memorised")], action="press"
            )
            == []
        )
    assert len(store.history("m")) == 2
    store.decide("m", "Ada", [Change("x", "unsure")], action="lost")
    assert store.decide("m", "Ada", [Change("x", "unsure")], action="lost") == ["x"]


def test_undo_gives_back_what_stood_before_step_by_step(url: str) -> None:
    store = Verdicts(url)
    store.decide(
        "m", "Ada", [Change("x", "memorised", 0, "first", (0, 0, 2, 2), EVIDENCE)], action="a"
    )
    store.decide("m", "Ada", [Change("x", "unsure", 1, "second")], action="b")
    assert undoable(store.history("m"), "Ada") == ["a", "b"]
    assert store.undo("m", "Ada", "b") == []
    line = standing(store.history("m")).iloc[0]
    assert (line["verdict"], line["note"], line["region"]) == ("memorised", "first", [0, 0, 2, 2])
    assert store.evidence([int(line["id"])])[int(line["id"])] == EVIDENCE
    assert store.undo("m", "Ada", "b") == []  # again: nothing
    assert undoable(store.history("m"), "Ada") == ["a"]
    assert store.undo("m", "Ada", "a") == []
    assert verdict_of(store, "x") is None
    assert len(store.history("m")) == 4
    store.decide("m", "Ada", [Change("x", "not memorised", 4)], action="c")
    assert verdict_of(store, "x") == "not memorised"
    assert undoable(store.history("m"), "Ada") == ["c"]


def test_undo_takes_nothing_back_that_was_decided_since(url: str) -> None:
    store = Verdicts(url)
    store.decide("m", "Ada", [Change("x", "memorised")], action="a")
    store.decide("m", "Ada", [Change("x", "unsure", 1)], action="b")
    assert store.undo("m", "Ada", "a") == ["x"]
    assert verdict_of(store, "x") == "unsure"
    assert store.undo("m", "Bob", "b") == []  # not Bob's to undo
    assert verdict_of(store, "x") == "unsure"


def test_a_cluster_is_decided_and_undone_as_one(url: str) -> None:
    store, cluster = Verdicts(url), [f"copy-{n}" for n in range(1200)]
    store.decide("m", "Ada", [Change("copy-3", "unsure")], action="before")
    seen = {"copy-3": 1}
    assert (
        store.decide(
            "m",
            "Ada",
            [Change(image, "memorised", seen.get(image, 0)) for image in cluster],
            action="all",
        )
        == []
    )
    assert set(standing(store.history("m"))["verdict"]) == {"memorised"}
    assert undoable(store.history("m"), "Ada") == ["before", "all"]
    store.undo("m", "Ada", "all")
    assert list(standing(store.history("m"))["image"]) == ["copy-3"]
    assert verdict_of(store, "copy-3") == "unsure"


def test_many_writers_at_once_lose_nothing_and_exactly_one_of_each_revision_stands(
    url: str,
) -> None:
    stores, failures = [Verdicts(url) for _ in range(6)], []

    def write(place: int) -> None:
        try:
            for turn in range(10):
                stores[place].decide("m", "Ada", [Change(f"image-{turn}", VERDICTS[place % 4])])
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(place,)) for place in range(len(stores))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    history = stores[0].history("m")
    assert not failures
    assert len(history) == 60
    assert (history.groupby("image")["stands"].sum() == 1).all()
    assert (
        history.groupby("image")["revision"].apply(sorted).map(tuple) == tuple(range(1, 7))
    ).all()


WRITER = """
import sys
sys.path.insert(0, {root!r})
from memlib.audit import Change, Verdicts
store = Verdicts({url!r})
print("ready", flush=True)
for turn in range(10**6):
    images = [f"{{turn}}-{{n}}" for n in range(40)]
    store.decide("m", "Ada", [Change(image, "memorised", note="x" * 500) for image in images])
    print(turn, flush=True)
"""


@pytest.mark.slow
def test_killed_in_the_middle_of_a_write_nothing_confirmed_is_lost_and_nothing_is_half_there(
    url: str,
) -> None:
    draw = np.random.default_rng(0)
    for _ in range(4):
        before = Verdicts(url).history("m")["image"].nunique()
        with subprocess.Popen(
            [sys.executable, "-c", WRITER.format(root=str(ROOT), url=url)],
            stdout=subprocess.PIPE,
            text=True,
        ) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "ready\n"
            lines = [writer.stdout.readline() for _ in range(int(draw.integers(1, 6)))]
            threading.Event().wait(float(draw.uniform(0, 0.03)))
            writer.send_signal(signal.SIGKILL)
            lines += writer.stdout.read().splitlines()
        history = Verdicts(url).history("m")
        assert history["image"].nunique() >= max(before, 40 * len(lines))
        assert (history.groupby("action").size() == 40).all()  # every action whole
        assert history["note"].str.len().eq(500).all()


def test_what_is_no_verdict_is_refused_in_a_sentence() -> None:
    for wrong in (
        lambda: Change("x", "guilty"),
        lambda: Change("x", "unsure", note="x" * 5000),
        lambda: Change("x", "unsure", region=(3, 0, 1, 2)),
        lambda: Change("x", "unsure", region=(0, 0, 1)),
        lambda: check_name("  "),
        lambda: check_name("a\nb" * 60),
        lambda: check_name("a\x1bb"),
        lambda: Verdicts("nonsense"),
        lambda: Verdicts("postgresql+psycopg://nobody@127.0.0.1:1/none"),
        lambda: Verdicts("sqlite:////proc/no/audit.sqlite"),
    ):
        with pytest.raises(ValueError, match=r"\.$|not "):
            wrong()


def test_a_database_error_names_no_statement_and_no_password() -> None:
    with pytest.raises(ValueError, match="cannot be opened") as caught:
        Verdicts("postgresql+psycopg://nobody:sesame@127.0.0.1:1/none")
    assert "sesame" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_numbers_json_cannot_hold_are_kept_as_unknown() -> None:
    assert finite({"a": float("nan"), "b": [np.float64("inf"), np.int64(3)]}) == {
        "a": None,
        "b": [None, 3],
    }


def history_of(*entries: tuple[str, str, str | None]) -> pd.DataFrame:
    """A history of (reviewer, image, verdict) in order, all standing."""
    store = Verdicts("sqlite://")
    revisions: dict[tuple[str, str], int] = {}
    for reviewer, image, verdict in entries:
        seen = revisions.get((reviewer, image), 0)
        store.decide("m", reviewer, [Change(image, verdict, seen)])
        revisions[reviewer, image] = seen + 1
    return store.history("m")


def test_the_second_reviewer_is_blind_until_deciding() -> None:
    history = history_of(("Ada", "x", "memorised"), ("Ada", "y", "unsure"), ("Bob", "y", "unsure"))
    assert set(visible(history, "Bob")["image"]) == {"y"}
    assert set(visible(history, "Ada")["image"]) == {"x", "y"}
    assert visible(history, "Eve").empty
    assert set(
        visible(
            history_of(("Ada", "x", "unsure"), ("Bob", "x", "unsure"), ("Bob", "x", None)), "Bob"
        )["reviewer"]
    ) == {"Bob"}


def test_kappa_is_the_textbook_value_and_counts_only_blind_verdicts() -> None:
    """Two reviewers, fifty images, 20 yes-yes, 5, 10, 15 no-no: kappa 0.4 (the usual example)."""
    pairs = (
        [("memorised", "memorised")] * 20
        + [("memorised", "unsure")] * 5
        + [("unsure", "memorised")] * 10
        + [("unsure", "unsure")] * 15
    )
    entries = [
        (name, f"{n}", pair[place])
        for n, pair in enumerate(pairs)
        for place, name in enumerate(("Ada", "Bob"))
    ]
    found = agreements(history_of(*entries))
    assert len(found) == 1
    assert found[0].kappa == pytest.approx(0.4)
    assert found[0].share == pytest.approx(0.7)
    assert found[0].matrix.sum() == 50
    history = history_of(
        ("Ada", "x", "unsure"),
        ("Ada", "x", "memorised"),
        ("Bob", "x", "not memorised"),
        ("Bob", "x", "memorised"),
    )
    assert agreements(history)[0].table.iloc[0].tolist() == [
        "x",
        "memorised",
        "not memorised",
    ]  # Bob changed it after seeing Ada's
    assert np.isnan(agreements(history_of(("Ada", "x", "unsure"), ("Bob", "x", "unsure")))[0].kappa)
    assert agreements(history_of(("Ada", "x", "unsure"), ("Bob", "y", "unsure"))) == []


def test_what_to_do_with_an_image_follows_from_all_its_verdicts() -> None:
    entries = [
        ("Ada", "a", "memorised"),
        ("Bob", "a", "memorised"),
        ("Ada", "b", "memorised"),
        ("Bob", "b", "not memorised"),
    ]
    entries += [
        ("Ada", "c", "partly memorised"),
        ("Ada", "d", "unsure"),
        ("Bob", "d", "not memorised"),
        ("Ada", "e", "unsure"),
        ("Ada", "e", None),
    ]
    table = outcomes(history_of(*entries)).set_index("image")
    assert table["action"].to_dict() == {"a": "remove", "b": "settle", "c": "modify", "d": "keep"}
    assert table["verdict"].to_dict() == {
        "a": "memorised",
        "b": "disputed",
        "c": "partly memorised",
        "d": "disputed",
    }
    assert progress(history_of(*entries), ["a", "b", "e"]) == {"Ada": 2, "Bob": 2}


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda now: now | {"model": "other"}, "model"),
        (lambda now: now | {"images": "other"}, "images"),
        (
            lambda now: now | {"flagged": {"measure": "volume_growth", "threshold": 6.0}},
            "threshold of volume_growth was 5, is 6",
        ),
        (lambda now: now | {"values": {"k": {"value": 2.1}}}, "k was 2, is 2.1"),
        (
            lambda now: now | {"values": {"k": {"value": 2.0}, "l": {"value": 1.0}}},
            "l was unknown, is 1",
        ),
        (lambda now: now | {"values": {}}, "k was 2, is unknown"),
    ],
)
def test_a_verdict_is_stale_once_what_it_was_given_on_has_changed(
    change: Callable[[dict], dict], word: str
) -> None:
    assert any(word in reason for reason in changed(EVIDENCE, change(EVIDENCE)))


def test_noise_and_another_queue_do_not_make_a_verdict_stale() -> None:
    assert changed(EVIDENCE, EVIDENCE) == []
    assert changed(EVIDENCE, EVIDENCE | {"values": {"k": {"value": 2.0001}}}) == []
    assert changed(EVIDENCE, EVIDENCE | {"flagged": {"measure": "flipd", "threshold": 6.0}}) == []
    assert changed(EVIDENCE, EVIDENCE | {"flagged": None}) == []
