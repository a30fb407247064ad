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

from backend.lab.cli import main
from backend.lab.client import Client, Job
from backend.lab.demo import finished
from backend.settings import PREFIX
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
        # Asked again and again, so without the certificates that it would load every time.
        answer = httpx2.get(
            f"{address}/api/system", headers={"Authorization": f"Bearer {token}"}, timeout=5, verify=False
        )
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
        ({"PORT": "99999"}, "SIMCLR_LAB_PORT"),
        ({"HOST": "0.0.0.0"}, "set SIMCLR_LAB_TOKEN"),  # noqa: S104
        ({"DATA": "/proc/nowhere"}, "cannot use /proc/nowhere"),
        ({"DATABASE_URL": "sqlite:////proc/nowhere/c.sqlite"}, "/proc/nowhere"),
    ],
)
def test_a_wrong_setting_is_one_line_without_a_traceback(
    settings: dict[str, str],
    line: str,
    environ: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("DATA", "PORT"):
        monkeypatch.setenv(f"{PREFIX}{name}", environ[f"{PREFIX}{name}"])
    for name, value in settings.items():
        monkeypatch.setenv(f"{PREFIX}{name}", value)
    monkeypatch.setattr("sys.argv", ["simclr-lab", "up"])
    with pytest.raises(SystemExit) as ended:
        main()
    printed = capsys.readouterr().err
    assert ended.value.code == 1
    assert printed.startswith("simclr-lab: ")
    assert printed.count("\n") == 1
    assert line in printed


def test_a_lab_is_stopped_while_a_job_runs_then_its_launcher_is_killed_then_each_of_its_parts(
    start: Start, environ: dict[str, str]
) -> None:
    """One story, as a lab takes seconds to start: the job goes on, nothing is left over, and what is lost comes back."""
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
    third = a_broken_file_of_redis_is_no_matter(start, data)
    assert not Path(left_over["redis_url"].removeprefix("redis+socket://")).parent.exists()
    it_is_one_and_well(start, third, data)
    for part in PARTS:
        a_part_that_is_killed_comes_back_and_people_are_told(third, str(data), part)
    leaves_nothing_behind(third, data, signal.SIGTERM)


def a_broken_file_of_redis_is_no_matter(start: Start, data: Path) -> Started:
    """The lab that starts with it."""
    (written,) = (path for path in (data / "redis").rglob("*.aof") if path.is_file())
    written.write_bytes(b"\x00not what Redis wrote\r\n" * 100)
    lab = start("up", **WITHOUT_TORCH)
    lab.until(READY)
    return lab


def it_is_one_and_well(start: Start, lab: Started, data: Path) -> None:
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
    assert re.search(r"torch \d\S+: Working on .+ and channels_last", during.printed)


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
