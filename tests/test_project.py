"""pyproject.toml says what the requirements say, and the command line starts before torch does."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import memlib
from memlib import bundled
from memlib.__main__ import main
from memlib.commands import COMMANDS

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def pinned(name: str) -> dict[str, str]:
    """The packages of a file of requirements, with their versions."""
    lines = (ROOT / name).read_text().splitlines()
    return dict(line.split("==") for line in lines if "==" in line and line[0] != "#")


def test_what_an_installation_needs_is_what_the_tests_run_with_or_later() -> None:
    needed = {one.name: str(one.specifier) for one in map(Requirement, PROJECT["dependencies"])}
    assert needed == {name: f">={at}" for name, at in pinned("requirements.txt").items()}


@pytest.mark.parametrize(
    ("extra", "file"), [("ray", "requirements-ray.txt"), ("postgres", "requirements-postgres.txt")]
)
def test_what_an_extra_needs_is_what_the_tests_run_with_or_later(extra: str, file: str) -> None:
    for one in map(Requirement, PROJECT["optional-dependencies"][extra]):
        (at,) = [at for name, at in pinned(file).items() if name.partition("[")[0] == one.name]
        assert str(one.specifier) == f">={at}"


def test_the_build_is_pinned_to_what_the_tests_build_with() -> None:
    built = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    assert built == [f"hatchling=={pinned('requirements-dev.txt')['hatchling']}"]


def test_help_is_printed_without_waiting_for_torch() -> None:
    code = (
        "import contextlib, sys\nfrom memlib.__main__ import main\n"
        "with contextlib.suppress(SystemExit):\n    main(['--help'])\n"
        "assert not {'torch', 'pandas', 'numpy'} & {*sys.modules}\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert all(f"\n    {name}" in done.stdout for name in COMMANDS)


def test_every_public_name_is_found_where_it_is_defined() -> None:
    for name in memlib.__all__:
        assert getattr(memlib, name) is not None, name
    assert memlib.flow.sample is memlib.sample
    with pytest.raises(AttributeError, match="'memlib' has no attribute 'nothing'"):
        memlib.nothing  # noqa: B018


def test_the_installed_command_has_its_own_name(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for place, name in (("/any/bin/afterimage", "afterimage"), ("__main__.py", "python -m memlib")):
        monkeypatch.setattr(sys, "argv", [place])
        with pytest.raises(SystemExit):
            main(["--help"])
        assert capsys.readouterr().out.startswith(f"usage: {name} [-h] command")


def test_the_app_is_started_with_the_folders_it_may_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda _, command: started.append(command))
    assert main(["app", str(tmp_path)]) == 0
    assert started == [[sys.executable, str(bundled.APP / "serve.py"), str(tmp_path)]]
    assert main(["app", str(tmp_path / "nowhere")]) == 2
    assert f"There is no folder '{tmp_path / 'nowhere'}'." in capsys.readouterr().err
    assert len(started) == 1
