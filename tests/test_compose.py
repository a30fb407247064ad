"""docker-compose.yml and the Dockerfile say what the code understands, and keep what must be kept closed, closed."""

import importlib.util
import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from backend.lab.install import UV
from backend.settings import PREFIX, Settings

ROOT = Path(__file__).parents[1]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
DOCKERFILE = (ROOT / "Dockerfile").read_text()
SERVICES = COMPOSE["services"]
OWN = ("api", "worker")


def test_the_parts_of_the_lab_are_there() -> None:
    assert set(SERVICES) == {"redis", "api", "worker"}


@pytest.mark.parametrize("file", ["docker-compose.yml", "Dockerfile", "Makefile"])
def test_every_variable_of_the_lab_is_a_setting_or_a_variable_of_the_tests(file: str) -> None:
    named = set(re.findall(rf"{PREFIX}([A-Z_]+)", (ROOT / file).read_text()))
    assert {name.lower() for name in named} <= set(Settings.model_fields) | {"test_chromium"}


def test_the_composed_environment_makes_valid_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SERVICES["api"]["environment"].items():
        filled = re.sub(r"\$\{\w+:\?[^}]*\}", "a-token-of-some-length", str(value))
        monkeypatch.setenv(name, re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", filled))
    settings = Settings()
    assert not settings.is_loopback
    assert settings.redis_url == "redis://redis:6379/0"
    assert settings.data_folder == Path("/data")


def test_there_is_no_default_token() -> None:
    assert SERVICES["api"]["environment"]["SIMCLR_LAB_TOKEN"].startswith("${SIMCLR_LAB_TOKEN:?")


@pytest.mark.parametrize("name", OWN)
def test_commands_name_what_exists(name: str) -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    program, *arguments = SERVICES[name]["command"]
    if program == "python":
        assert arguments[0] == "-m"
        assert importlib.util.find_spec(arguments[1])
    else:
        assert program in scripts


def test_the_healthcheck_asks_an_address_that_the_api_has_open() -> None:
    asked = re.search(r"(/api/\w+)", " ".join(SERVICES["api"]["healthcheck"]["test"]))
    assert asked
    assert asked[1] in json.loads((ROOT / "frontend/openapi.json").read_text())["paths"]


@pytest.mark.parametrize("name", ["redis", *OWN])
def test_every_service_gives_up_what_it_does_not_need(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["stop_grace_period"] == "60s"
    assert service["healthcheck"]["test"]
    assert not str(service["user"]).startswith("0")
    assert "privileged" not in service


def test_redis_is_reached_by_nobody_but_the_lab() -> None:
    redis = SERVICES["redis"]
    assert "ports" not in redis
    assert redis["networks"] == ["bell"]
    assert COMPOSE["networks"]["bell"] == {"internal": True}


def test_only_the_api_is_published_and_only_on_this_machine() -> None:
    assert all("ports" not in SERVICES[name] for name in ("redis", "worker"))
    assert all(port.startswith("127.0.0.1:") for port in SERVICES["api"]["ports"])


def test_api_and_worker_share_the_one_volume_and_redis_keeps_nothing() -> None:
    assert set(COMPOSE["volumes"]) == {"data"}
    assert "volumes" not in SERVICES["redis"]
    for name in OWN:
        assert SERVICES[name]["volumes"] == ["data:/data"]


def test_the_image_is_made_from_files_that_exist_and_runs_as_nobody_special() -> None:
    copied = re.findall(r"(?m)^COPY (?!--from)(.+) \S+$", DOCKERFILE)
    assert copied
    for path in " ".join(copied).split():
        assert (ROOT / path).exists(), path
        assert f"!{path}" in (ROOT / ".dockerignore").read_text().splitlines()
    assert re.search(r"(?m)^USER lab$", DOCKERFILE)
    assert DOCKERFILE.startswith("# ")
    assert "FROM ${BASE}" in DOCKERFILE
    assert UV in DOCKERFILE
