"""Tasks: processes that outlive who started them; how they stand is known from their folder alone."""

import json
import os
import signal
import time
from pathlib import Path

import pytest
from filelock import FileLock

from memlib import tasks
from memlib.__main__ import main
from memlib.commands.progress import Report, Stopped
from memlib.tasks import Task, start


def new(place: Path, began: float | None = None) -> Task:
    place.mkdir(parents=True)
    (place / "task.json").write_text(
        json.dumps(
            {
                "title": "t",
                "arguments": [],
                "began": time.time() if began is None else began,
                "about": {},
            }
        )
    )
    return Task(place)


def test_a_task_goes_from_starting_to_running_to_its_end(tmp_path: Path) -> None:
    task = new(tmp_path / "a")
    assert task.progress().state == "starting"
    with task.held():
        assert task.progress().state == "running"
        task.tell(3, 12, "Counting")
        now = task.progress()
        assert (now.done, now.total, now.text, now.share) == (3, 12, "Counting", 0.25)
        task.end(0, "")
    assert task.progress().state == "done"
    for code, state in ((130, "stopped"), (1, "failed"), (2, "failed")):
        task.end(code, "why")
        assert (task.progress().state, task.progress().text) == (state, "why")


def test_a_killed_process_and_one_that_never_came_are_lost(tmp_path: Path) -> None:
    killed = new(tmp_path / "killed")
    with killed.held():
        killed.tell(1, 2, "x")
    assert killed.progress().state == "lost"  # it gave its lock back without an end
    assert new(tmp_path / "never", time.time() - 2 * tasks.STARTING).progress().state == "lost"


def test_a_report_writes_progress_down_and_ends_when_asked_to(tmp_path: Path) -> None:
    task = new(tmp_path / "a")
    report = Report(task=task)
    report.progress(1, 10, "Work")
    assert json.loads((task.folder / "progress.json").read_text())["done"] == 1
    task.stop()
    report._told = -10.0
    with pytest.raises(Stopped):
        report.progress(2, 10, "Work")


def test_a_command_tells_its_task_how_it_ended(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    task = new(tmp_path / "a")
    assert main(["show", str(tmp_path / "nothing"), "--task", str(task.folder)]) == 2
    assert task.progress().state == "failed"
    assert "is not a run folder" in task.progress().text
    assert "is not a run folder" in capsys.readouterr().err


@pytest.mark.slow
def test_a_started_task_lives_on_its_own_and_its_death_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    task = start(
        ["measure", "--measure", "denoising_loss", "--device", "cpu"],
        "Loss",
        root=tmp_path / "tasks",
    )
    for _ in range(600):
        if task.progress().done:
            break
        time.sleep(0.1)
    assert task.progress().state == "running"
    assert [one.folder for one in tasks.tasks(tmp_path / "tasks")] == [task.folder]
    process = next(
        int(entry.name)
        for entry in Path("/proc").iterdir()
        if entry.name.isdecimal() and str(task.folder) in _command(entry.name)
    )
    assert os.getsid(process) != os.getsid(0)
    os.kill(process, signal.SIGKILL)
    for _ in range(100):
        if task.progress().state == "lost":
            break
        time.sleep(0.1)
    assert task.progress().state == "lost"


def _command(process: str) -> str:
    try:
        return Path(f"/proc/{process}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


def test_old_ended_tasks_are_forgotten_and_running_ones_never(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks.subprocess, "Popen", lambda *_, **__: None)
    for number in range(25):
        new(tmp_path / f"{number:020d}").end(0, "")
    with FileLock(tmp_path / f"{0:020d}" / "lock"):
        (tmp_path / f"{0:020d}" / "end.json").unlink()
        begun = start(["show"], "t", root=tmp_path)
    kept = [task.folder.name for task in tasks.tasks(tmp_path)]
    assert len(kept) == 20 + 2
    assert {begun.folder.name, f"{0:020d}"} <= set(kept)
