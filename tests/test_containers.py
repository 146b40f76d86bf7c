"""The containers hold what the wheel holds, run without rights, and have no password of their own.

Nothing is built here: the files are read, and what they name is looked up in the repository.
"""

import json
import re
import subprocess
import tomllib
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import yaml

from tests.test_project import pinned

ROOT = Path(__file__).parents[1]
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
CADDYFILE = (ROOT / "Caddyfile").read_text()
REQUIREMENTS = ("requirements.txt", "requirements-postgres.txt")


def instructions() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile with their arguments, in order."""
    text = "".join(
        line
        for line in (ROOT / "Dockerfile").read_text().splitlines(keepends=True)
        if line.strip() and not line.startswith("#")
    ).replace("\\\n", " ")
    return [(line.split()[0], " ".join(line.split()[1:])) for line in text.splitlines()]


def told(name: str) -> list[str]:
    """The arguments of every instruction with this name."""
    return [arguments for found, arguments in instructions() if found == name]


def copied() -> list[str]:
    return [source for arguments in told("COPY") for source in arguments.split()[:-1]]


def environment() -> dict[str, str]:
    (settings,) = told("ENV")
    return dict(setting.split("=", 1) for setting in settings.split())


def tracked() -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return listed.stdout.splitlines()


def below(name: str, folder: str) -> bool:
    return name == folder or name.startswith(f"{folder}/")


def test_the_image_has_what_the_wheel_has() -> None:
    hatch = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]
    wheel = hatch["build"]["targets"]["wheel"]
    packed = {name.strip("/") for name in wheel["include"]} | {*wheel["force-include"]}
    assert {*copied()} == packed | {*REQUIREMENTS}
    targets = {source: line.split()[-1] for line in told("COPY") for source in line.split()[:-1]}
    for source, target in targets.items():
        inside = source if (ROOT / source).is_dir() else Path(source).parent.as_posix()
        assert Path(target) == Path("/app", inside), source


def test_what_is_copied_is_tracked_and_sent_to_the_build_and_nothing_else_is() -> None:
    lines = [
        line
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    assert lines[0] == "*"
    assert {line[1:] for line in lines if line.startswith("!")} == {*copied()}
    left_out = [line.removeprefix("**/") for line in lines[1:] if not line.startswith("!")]
    for source in copied():
        found = [name for name in tracked() if below(name, source)]
        assert found, source
        for name in found:
            assert not any(fnmatch(part, one) for part in name.split("/") for one in left_out)


def test_every_package_in_the_image_is_pinned_as_the_tests_have_it() -> None:
    (packages,) = [line for line in told("RUN") if "pip install" in line]
    for install in packages.split("pip install")[1:]:
        words = install.split("&&")[0].split()
        files = re.findall(r"--requirement (\S+)", install)
        allowed = {"--no-cache-dir", "--requirement", "--index-url", '"$TORCH_INDEX"', *files}
        assert files and {*words} <= allowed
    assert re.findall(r"\d+\.\d+", packages) == []  # every version is that of a file
    wanted = re.findall(r"--requirement /app/(requirements\S*)", packages)
    assert {*wanted} == {*REQUIREMENTS}
    (pattern,) = re.findall(r"grep '(\S+)' /app/requirements.txt > /app/torch.txt", packages)
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    found = [line for line in lines if re.match(pattern, line)]
    assert found == [f"torch=={pinned('requirements.txt')['torch']}"]


def test_the_image_is_for_the_cpu_unless_its_builder_asks() -> None:
    (index,) = told("ARG")
    assert index == "TORCH_INDEX=https://download.pytorch.org/whl/cpu"
    told_compose = SERVICES["app"]["build"]["args"]["TORCH_INDEX"]
    assert told_compose == f"${{TORCH_INDEX:-{index.partition('=')[2]}}}"


def test_the_image_has_a_python_that_the_project_supports() -> None:
    (base,) = told("FROM")
    assert re.fullmatch(r"python:3\.11-slim-\w+", base)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == ">=3.11"


def test_the_container_starts_what_make_app_starts_and_not_as_root() -> None:
    order = [name for name, _ in instructions()]
    assert told("USER") == ["1000:1000"]
    assert "RUN" not in order[order.index("USER") :]
    (entry,) = told("ENTRYPOINT")
    rule = re.search(
        r"^app:.*\n\t\$\(BIN\)/(.+) \$\(FOLDERS\)$", (ROOT / "Makefile").read_text(), re.M
    )
    assert rule and json.loads(entry) == rule[1].replace("serve.py", "/app/serve.py").split()


def test_what_is_written_goes_to_the_volume() -> None:
    assert told("VOLUME") == told("WORKDIR") == ["/data"]
    assert environment()["HOME"] == "/data"  # of the caches
    assert environment()["PYTHONDONTWRITEBYTECODE"] == "1"
    assert "runs:/data" in SERVICES["app"]["volumes"] and "runs" in COMPOSE["volumes"]


def health_check() -> str:
    """The address that the health check asks."""
    (check,) = told("HEALTHCHECK")
    command = json.loads(check.partition(" CMD ")[2])
    assert command[:2] == ["python", "-c"]
    compile(command[2], "HEALTHCHECK", "exec")
    (address,) = re.findall(r"urlopen\('([^']+)'", command[2])
    return str(address)


def test_one_port_is_named_everywhere() -> None:
    port = environment()["STREAMLIT_SERVER_PORT"]
    assert told("EXPOSE") == [port]
    assert health_check() == f"http://127.0.0.1:{port}/_stcore/health"
    assert f"reverse_proxy app:{port} {{" in CADDYFILE
    assert header()["app_port"] == int(port)


def test_every_service_runs_without_rights_and_within_limits() -> None:
    for name, service in SERVICES.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service.get("cap_add", []) == (["NET_BIND_SERVICE"] if name == "proxy" else []), name
        assert "no-new-privileges:true" in service["security_opt"], name
        assert service["mem_limit"] and service["pids_limit"], name
        assert "/tmp" in service["tmpfs"], name
        if "build" not in service:
            assert re.fullmatch(r"\w+:\d+\.\d+(\.\d+)?-\w+", service["image"]), name
    assert "healthcheck" in SERVICES["database"]  # the app has that of its image
    waits = {name: one.get("depends_on", {}) for name, one in SERVICES.items()}
    assert waits["app"] == {"database": {"condition": "service_healthy"}}
    assert waits["proxy"] == {"app": {"condition": "service_healthy"}}


def test_nothing_but_the_proxy_is_reached_from_outside() -> None:
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["proxy"]
    assert COMPOSE["networks"]["inside"]["internal"] is True
    for name in ("app", "database"):
        assert SERVICES[name]["networks"] == ["inside"]


def test_no_password_has_a_default_or_is_part_of_the_repository() -> None:
    text = (ROOT / "compose.yaml").read_text()
    secret = {"PGPASSWORD", "POSTGRES_PASSWORD"}
    settings = [pair for one in SERVICES.values() for pair in one.get("environment", {}).items()]
    given = {name: value for name, value in settings if "PASSWORD" in name}
    assert {*given} == secret
    assert {*given.values()} == {"${DATABASE_PASSWORD:?is not set in .env}"}
    assert ":" not in SERVICES["app"]["environment"]["AFTERIMAGE_DATABASE"].partition("://")[2]
    assert not re.search(r"\$\{\w*PASSWORD\w*(:?-[^}]*)?\}", text)
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert {"/.env", "/people"} <= {*ignored}
    assert not {".env", "people"} & {*tracked()}


def test_the_app_believes_only_names_that_the_proxy_writes() -> None:
    """`signed_in` of pages/ranking/verdicts.py reads both."""
    believed = json.loads(SERVICES["app"]["environment"]["STREAMLIT_SERVER_TRUSTED_USER_HEADERS"])
    assert {*believed.values()} == {"email", "is_logged_in"}
    written = re.findall(r"header_up (\S+) \{http\.auth\.user\.id\}", CADDYFILE)
    assert {*written} == {*believed}
    assert "header_up -Authorization" in CADDYFILE  # the app needs no passwords
    assert CADDYFILE.index("basic_auth") < CADDYFILE.index("reverse_proxy")


def test_every_file_that_compose_mounts_is_here_or_is_the_operator_s() -> None:
    mounts = [one for service in SERVICES.values() for one in service.get("volumes", [])]
    files = {one["source"] for one in mounts if isinstance(one, dict)}
    assert files == {"./Caddyfile", "./people", "${MODELS:-./models}"}
    assert "Caddyfile" in tracked()
    named = {one.split(":")[0] for one in mounts if isinstance(one, str)}
    assert named == {*COMPOSE["volumes"]}


def header() -> dict[str, Any]:
    """The header of the README of a Space."""
    text = (ROOT / "docs" / "space" / "README.md").read_text()
    assert text.startswith("---\n")
    found = yaml.safe_load(text.split("---\n")[1])
    assert isinstance(found, dict)
    return found


def test_a_space_is_told_what_it_needs_and_gets_every_file_of_the_image() -> None:
    assert header()["sdk"] == "docker"
    assert header()["title"] == "Afterimage"
    assert len(header()["short_description"]) <= 60
    (command,) = re.findall(r"git archive HEAD (.+) \|", (ROOT / "docs" / "sharing.md").read_text())
    assert {*command.split()} == {*copied(), "Dockerfile", ".dockerignore", "LICENSE"}
