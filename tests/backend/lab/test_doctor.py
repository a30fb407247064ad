"""What the doctor says of jobs that wait in vain, and of wake-ups that nobody takes."""

from pathlib import Path
from typing import Any

import pytest

from backend.jobs.queue import make_app, ring
from backend.lab.doctor import look_at_pins, look_at_redis
from backend.settings import Settings
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
