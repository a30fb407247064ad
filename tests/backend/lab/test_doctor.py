"""What the doctor says of a lab that does not run, of jobs that wait in vain, and of wake-ups that nobody takes."""

import os
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from backend.jobs.queue import make_app, ring
from backend.lab import cli
from backend.lab.doctor import Finding, look_at_pins, look_at_redis
from backend.settings import Settings
from tests.tables import lay_tables
from tests.worker.redis_server import redis_at

PINNED = {"id": "j1", "pinned_to": "cuda:1"}
IMPORTS = {"device_name": None, "lanes": ["import"]}


@pytest.mark.parametrize(
    ("waiting", "names", "is_ill"),
    [
        ([PINNED], ["cuda:0", "cpu"], True),
        ([PINNED], ["cuda:1"], False),
        ([PINNED], ["cuda:0", None], False),
        ([PINNED | {"pinned_to": None}], ["cuda:0"], False),
    ],
)
def test_a_job_that_waits_for_a_device_that_nobody_has_is_named(
    waiting: list[dict[str, Any]], names: list[str | None], is_ill: bool
) -> None:
    found = list(look_at_pins(waiting, [{"device_name": name, "lanes": ["long"]} for name in names] + [IMPORTS]))
    assert [finding.state for finding in found] == ["ill"] * is_ill
    assert all("simclr-lab worker --device cuda:1" in finding.sentence for finding in found)


def test_wake_ups_that_no_worker_takes_are_counted(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path, redis_url=f"redis+socket://{tmp_path}/redis.sock")
    with redis_at(tmp_path / "redis.sock"):
        assert look_at_redis(settings, "").state == "well"
        app = make_app(str(settings.redis_url))
        assert ring(app)
        assert ring(app)
        found = look_at_redis(settings, "")
    assert (found.state, "the 2 wake-ups" in found.sentence) == ("ill", True)
    assert look_at_redis(settings, "").state == "ill"


def test_what_is_wrong_with_jobs_is_named_with_what_to_do(
    settings: Settings, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("DATA", settings.data_folder), ("PORT", port)):
        monkeypatch.setenv(f"SIMCLR_LAB_{name}", str(value))
    # Which another process loads, as the doctor of a running lab does in its test.
    monkeypatch.setattr("backend.lab.doctor.look_at_torch", lambda: Finding("well", "torch: not looked at"))
    lay_tables(settings)
    well = CliRunner().invoke(cli.app, ["doctor"])
    assert well.exit_code == 0, well.output
    assert "jobs: leases, events, results, checkpoints and files are all as they must be" in well.output
    assert "not running" in well.output
    stray = settings.data_folder / "jobs/gone/1/4.pt"
    stray.parent.mkdir(parents=True)
    stray.touch()
    os.utime(stray, (0, 0))
    ill = CliRunner().invoke(cli.app, ["doctor"])
    assert ill.exit_code == 1
    assert "fix job gone: nothing needs jobs/gone/1/4.pt: delete it" in ill.output
