"""Which workers ``up`` starts on which machine."""

import os
from pathlib import Path

import pytest

from backend.lab.workers import count_gpus, planned_workers
from backend.settings import Settings


def names(environ: dict[str, str], **settings: str) -> list[tuple[str, str | None, str | None]]:
    found = planned_workers(Settings(**settings), environ)  # type: ignore[arg-type]
    assert len({worker.log for worker in found}) == len(found)
    return [
        (worker.name, worker.settings.get("SIMCLR_LAB_DEVICE"), worker.settings.get("SIMCLR_LAB_LANES"))
        for worker in found
    ]


ONE = [("The worker", None, None)]


@pytest.mark.parametrize("visible", ["", "-1", "0", "GPU-ab"])
def test_one_worker_without_a_name_of_its_own_serves_a_cpu_or_a_single_gpu(visible: str) -> None:
    assert names({"CUDA_VISIBLE_DEVICES": visible}) == ONE


def test_every_gpu_of_several_gets_a_worker() -> None:
    assert names({"CUDA_VISIBLE_DEVICES": "2,3"}) == [
        ("The worker on cuda:0", "cuda:0", None),
        ("The worker on cuda:1", "cuda:1", None),
    ]


def test_a_device_that_is_asked_for_is_the_only_one() -> None:
    assert names({"CUDA_VISIBLE_DEVICES": "2,3"}, device="cuda:1") == ONE


def test_one_more_is_kept_for_short_jobs_where_that_is_asked() -> None:
    assert names({"CUDA_VISIBLE_DEVICES": ""}, short_slot="cpu") == [
        *ONE,
        ("The worker for short jobs", "cpu", "short"),
    ]


def test_gpus_are_counted_without_torch(tmp_path: Path) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'GPU 0: NVIDIA A (UUID: GPU-1)'\necho 'GPU 1: NVIDIA A (UUID: GPU-2)'\n")
    tool.chmod(0o755)
    environ = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    assert count_gpus(environ) == 2
    tool.write_text("#!/bin/sh\necho 'No devices were found'\nexit 6\n")
    assert count_gpus(environ) == 0
    assert count_gpus({"PATH": str(tmp_path / "nothing")}) == 0
