"""An import survives its worker, and ends when a person says so; neither leaves anything."""

import zipfile
from collections.abc import Iterator
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from backend.jobs.states import State
from backend.settings import PREFIX
from tests.faults.lab import Lab, Worker
from tests.worker.redis_server import socket_folder
from tests.worker.waiting import children_of, is_running, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
N = 200


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """One whose workers only import, and so need no torch."""
    with pytest.MonkeyPatch.context() as environ, socket_folder() as sockets:
        environ.setenv(f"{PREFIX}LANES", "import")
        lab = Lab(tmp_path_factory.mktemp("lab") / "data", sockets)
        lab.launch()
        yield lab
        assert lab.violations() == []
        lab.close()


@pytest.fixture(scope="module")
def archive() -> bytes:
    """Pictures that take a core some seconds to read."""
    rng, packed = np.random.default_rng(0), BytesIO()
    with zipfile.ZipFile(packed, "w") as zipped:
        for number in range(N):
            pixels = rng.integers(0, 256, (12, 12, 3), dtype=np.uint8).repeat(64, axis=0).repeat(64, axis=1)
            picture = BytesIO()
            Image.fromarray(pixels).save(picture, "PNG", compress_level=1)
            zipped.writestr(f"{'ab'[number % 2]}/{number}.png", picture.getvalue())
    return packed.getvalue()


def send(lab: Lab, archive: bytes, image_size: int = 32) -> str:
    asked = f"format=zip&name=squares&image_size={image_size}"
    answer = lab.api.post(f"/api/datasets/upload?{asked}", content=archive)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def until_reading(lab: Lab, job_id: str, worker: Worker) -> int:
    """Wait until images have been read; the number of the process that reads them."""

    def reads() -> bool:
        row = lab.job(job_id)
        assert not State(row.state).is_terminal, f"already {row.state}"
        return row.state == State.RUNNING and (row.progress or {}).get("step", 0) > 0

    until(reads, "images that are read", within_s=60)
    [child] = children_of(worker.pid)
    return child


def left(lab: Lab) -> list[str]:
    return [str(path.relative_to(lab.data)) for name in ("staging", "jobs") for path in (lab.data / name).glob("*")]


def test_f25_an_import_whose_worker_is_killed_is_done_by_the_next_one(lab: Lab, archive: bytes) -> None:
    worker, job_id = lab.workers[-1], send(lab, archive)
    child = until_reading(lab, job_id, worker)
    lab.end(worker)
    assert not is_running(child)
    assert f"staging/{job_id}.upload" in left(lab)
    lab.launch()
    row = lab.until_state(job_id, State.SUCCEEDED)
    assert (row.epoch, row.crashes) == (2, 1)
    assert (row.result or {})["n"] == N
    [shown] = [each for each in lab.api.get("/api/datasets").json()["items"] if each["name"] == "squares"]
    assert (shown["id"], shown["n"]) == (row.dataset_id, N)
    until(lambda: left(lab) == [f"jobs/{job_id}"], "what was sent to go")
    assert [path.name for path in (lab.data / f"jobs/{job_id}").iterdir()] == ["2"]


def test_f26_an_import_that_is_cancelled_ends_at_once_and_leaves_neither_process_nor_file(
    lab: Lab, archive: bytes
) -> None:
    before, job_id = left(lab), send(lab, archive)
    child = until_reading(lab, job_id, lab.workers[-1])
    lab.ask(job_id, "cancel")
    lab.until_state(job_id, State.CANCELLED)
    assert not is_running(child)
    until(lambda: left(lab) == before, "all files to go")
    assert lab.told(job_id)["dataset_id"] is None
