"""``simclr-lab up`` with everything real: what a person sees when it starts, is disturbed, and stops."""

import json
import os
import re
import signal
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest

from backend.lab.client import Client, Job
from backend.lab.demo import finished
from simclr.config import EncoderConfig, PretrainConfig
from tests.backend.lab.conftest import READY, WITHOUT_TORCH, Started, process_of, processes_of
from tests.backend.lab.deadline import eventually

pytestmark = pytest.mark.slow
Start = Callable[..., Started]
PARTS = ("redis-server", "celery", "backend.app")
RESTARTED = "SIGKILL and is started again"


def link(lab: Started) -> tuple[str, str]:
    """Address and token of the printed link."""
    found = re.search(r"(http://\S+)/#token=(\S+)", lab.printed)
    assert found, lab.printed
    return found[1], found[2]


def answers(address: str, token: str) -> bool:
    try:
        answer = httpx2.get(f"{address}/api/system", headers={"Authorization": f"Bearer {token}"}, timeout=5)
    except httpx2.TransportError:
        return False
    return answer.status_code == 200


def leaves_nothing_behind(lab: Started, data: Path, number: int) -> None:
    """The lab, asked to stop by that signal, is gone with all that it started."""
    note = json.loads((data / "lab.json").read_text())
    socket_folder = Path(note["redis_url"].removeprefix("redis+socket://")).parent
    assert socket_folder.is_dir()
    assert lab.stop(number) == 0
    assert "Traceback" not in lab.printed
    eventually(lambda: not processes_of(str(data)), within_s=5)
    assert not (data / "lab.json").exists()
    assert not socket_folder.exists()


def test_a_running_lab_is_one_is_well_and_survives_the_loss_of_each_part(start: Start, environ: dict[str, str]) -> None:
    """One story, as a lab takes seconds to start."""
    data = Path(environ["SIMCLR_LAB_DATA"])
    lab = start("up", **WITHOUT_TORCH)
    lab.until(READY)
    assert answers(*link(lab))
    note = data / "lab.json"
    assert json.loads(note.read_text())["pid"] == lab.process.pid
    assert stat.S_IMODE(note.stat().st_mode) == 0o600
    a_second_one_is_refused_in_one_line(lab, start("up"))
    with Client(*link(lab)) as client:
        eventually(lambda: client.get("/system")["workers"], within_s=60)
    during = start("doctor")
    assert during.ended() == 0, during.printed
    assert "workers: 1 seen" in during.printed
    for part in PARTS:
        a_part_that_is_killed_comes_back_and_people_are_told(lab, str(data), part)
    leaves_nothing_behind(lab, data, signal.SIGTERM)


def a_second_one_is_refused_in_one_line(first: Started, second: Started) -> None:
    assert second.ended() == 1
    (line,) = [line for line in second.printed.splitlines() if line.startswith("simclr-lab:")]
    assert f"process {first.process.pid}, at {link(first)[0]}" in line
    assert "Traceback" not in second.printed
    assert answers(*link(first))


def a_part_that_is_killed_comes_back_and_people_are_told(lab: Started, data: str, part: str) -> None:
    told = lab.printed.count(RESTARTED)
    killed = process_of(data, part)
    assert killed
    os.kill(killed, signal.SIGKILL)
    eventually(lambda: lab.printed.count(RESTARTED) > told, within_s=10)
    eventually(lambda: process_of(data, part) not in (killed, None))
    eventually(lambda: answers(*link(lab)))


def test_a_busy_port_is_refused_in_one_line_and_nothing_is_left_running(
    start: Start, environ: dict[str, str], port: int
) -> None:
    with socket.create_server(("127.0.0.1", port)):
        lab = start("up")
        assert lab.ended() == 1
    assert f"simclr-lab: port {port} is already in use" in lab.printed
    assert "SIMCLR_LAB_PORT" in lab.printed
    assert "Traceback" not in lab.printed
    assert not processes_of(environ["SIMCLR_LAB_DATA"])


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"SIMCLR_LAB_PORT": "99999"}, "SIMCLR_LAB_PORT"),
        ({"SIMCLR_LAB_HOST": "0.0.0.0"}, "set SIMCLR_LAB_TOKEN"),  # noqa: S104
        ({"SIMCLR_LAB_DATA": "/proc/nowhere"}, "cannot use /proc/nowhere"),
        ({"SIMCLR_LAB_DATABASE_URL": "sqlite:////proc/nowhere/c.sqlite"}, "/proc/nowhere"),
    ],
)
def test_a_wrong_setting_is_one_line_without_a_traceback(start: Start, settings: dict[str, str], line: str) -> None:
    lab = start("up", **settings)
    assert lab.ended() == 1
    assert line in lab.printed
    assert "Traceback" not in lab.printed


def test_a_job_that_runs_while_the_lab_stops_starts_again_and_nothing_outlives_a_launcher_that_is_killed(
    start: Start, environ: dict[str, str]
) -> None:
    """One story as well."""
    data = Path(environ["SIMCLR_LAB_DATA"])
    long = PretrainConfig(epochs=1000, batch_size=64, knn_every=1000, encoder=EncoderConfig(width=8))
    first = start("up")
    first.until(READY)
    with Client(*link(first)) as client:
        dataset = finished(client, Job.of(client.post("/datasets/builtin", {"source": "digits"})))["dataset_id"]
        job = client.post("/jobs", {"kind": "pretrain", "dataset_id": dataset, "config": long.model_dump(mode="json")})
        eventually(lambda: (client.get(f"/jobs/{job['id']}")["progress"] or {}).get("step", 0) > 0, within_s=60)
    leaves_nothing_behind(first, data, signal.SIGINT)

    again = start("up")
    again.until(READY)
    with Client(*link(again)) as client:
        eventually(lambda: client.get(f"/jobs/{job['id']}")["state"] == "running", within_s=60)
        assert client.get(f"/jobs/{job['id']}")["crashes"] == 0
        client.post(f"/jobs/{job['id']}/cancel", {})
        told = [event for event in client.events(job["id"]) if event["kind"] == "state"]
    states = [event["state"] for event in told]
    assert (states[:4], states[-1]) == (["queued", "running", "queued", "running"], "cancelled")
    assert "lab was stopped" in told[2]["message"]
    left_over = json.loads((data / "lab.json").read_text())
    again.stop(signal.SIGKILL)
    eventually(lambda: not processes_of(str(data)), within_s=60)
    a_broken_file_of_redis_is_no_matter(start, data)
    assert not Path(left_over["redis_url"].removeprefix("redis+socket://")).parent.exists()


def a_broken_file_of_redis_is_no_matter(start: Start, data: Path) -> None:
    (written,) = (path for path in (data / "redis").rglob("*.aof") if path.is_file())
    written.write_bytes(b"\x00not what Redis wrote\r\n" * 100)
    lab = start("up", **WITHOUT_TORCH)
    lab.until(READY)
    leaves_nothing_behind(lab, data, signal.SIGHUP)
