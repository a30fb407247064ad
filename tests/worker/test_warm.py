"""The pair of worker and runner: orders go down, messages come up, and nobody outlives the worker."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.jobs.states import Kind
from simclr.events import Log, SavedEpoch
from simclr.results import PretrainResult
from tests.worker.test_slot import PLAY_RUNNER
from tests.worker.waiting import children_of, is_running, until
from worker.protocol import Exit, Exited, Finished, Message, Order
from worker.warm import WarmRunner

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def started() -> Iterator[list[WarmRunner]]:
    """Those that tests have started, the last of which may live."""
    runners: list[WarmRunner] = []
    yield runners
    for runner in runners:
        runner.close()


@pytest.fixture
def runner(started: list[WarmRunner]) -> WarmRunner:
    """The one that is there; started where there is none."""
    if not started or not started[-1].is_alive:
        started.append(WarmRunner(PLAY_RUNNER))
        assert started[-1].wait_ready(20.0)
    return started[-1]


def an_order(folder: Path, scene: str) -> Order:
    return Order(kind=Kind.PRETRAIN, config={"play": scene}, dataset=folder, encoder=None, run=folder / "run")


def heard(runner: WarmRunner) -> list[Message]:
    """All that a job says, until it has exited."""
    messages: list[Message] = []
    while not messages or not isinstance(messages[-1], Exited):
        message = runner.next_message(20.0)
        assert message is not None, "the job has fallen silent"
        messages.append(message)
    return messages


def test_one_runner_does_many_jobs_each_in_its_own_process(runner: WarmRunner, tmp_path: Path) -> None:
    processes = set()
    for _ in range(3):
        runner.run(an_order(tmp_path, "succeed"))
        first, *saved, finished, exited = heard(runner)
        assert isinstance(first, Log)
        assert [type(message) for message in saved] == [SavedEpoch] * 3
        assert isinstance(finished, Finished)
        assert isinstance(finished.result, PretrainResult)
        assert exited == Exited(status=Exit.DONE)
        processes.add(first.message)
    assert len(processes) == 3


def test_the_last_words_are_those_of_the_job_that_just_exited(runner: WarmRunner, tmp_path: Path) -> None:
    runner.run(an_order(tmp_path, "raise"))
    assert heard(runner)[-1] == Exited(status=1)
    assert runner.last_words().endswith("RuntimeError: the loss went for a walk")
    runner.run(an_order(tmp_path, "die"))
    assert heard(runner)[-1] == Exited(status=-signal.SIGKILL)
    assert "walk" not in runner.last_words()


def test_a_job_asked_to_stop_stops(runner: WarmRunner, tmp_path: Path) -> None:
    runner.run(an_order(tmp_path, "work"))
    runner.next_message(20.0)
    runner.stop()
    assert heard(runner)[-1] == Exited(status=Exit.STOPPED)


def test_a_runner_that_is_gone_says_so_for_every_job(runner: WarmRunner, tmp_path: Path) -> None:
    runner.run(an_order(tmp_path, "die with the runner"))
    assert heard(runner)[-1] == Exited(status=None)
    assert not runner.is_alive
    runner.run(an_order(tmp_path, "succeed"))
    assert heard(runner) == [Exited(status=None)]


def test_jobs_do_not_see_the_access_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIMCLR_LAB_TOKEN", "canary")
    runner = WarmRunner(PLAY_RUNNER)
    environment = Path(f"/proc/{runner.pid}/environ")
    assert until(lambda: environment.read_bytes(), "the runner's environment")
    assert runner.wait_ready(20.0)
    assert b"canary" not in environment.read_bytes()
    runner.close()


def test_nobody_outlives_a_worker_that_is_killed(tmp_path: Path) -> None:
    script = f"""
import time
from worker.protocol import Order
from worker.warm import WarmRunner
runner = WarmRunner({PLAY_RUNNER!r})
runner.wait_ready(20)
runner.run(Order.model_validate_json({an_order(tmp_path, "ignore stop").model_dump_json()!r}))
print(runner.next_message(20).model_dump_json(), flush=True)
time.sleep(3600)
"""
    worker = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert worker.stdout is not None
    job = int(json.loads(worker.stdout.readline())["message"].split()[1])
    [runner] = children_of(worker.pid)
    assert job in children_of(runner)
    worker.kill()
    worker.wait()
    worker.stdout.close()
    until(lambda: not is_running(runner) and not is_running(job), "the end of runner and job", within_s=3.0)


def test_a_job_whose_worker_says_nothing_for_a_lease_is_ended_by_the_runner(runner: WarmRunner, tmp_path: Path) -> None:
    runner.run(an_order(tmp_path, "work").model_copy(update={"lease_s": 0.5}))
    assert heard(runner)[-1] == Exited(status=-signal.SIGKILL, was_fenced=True)
    runner.run(an_order(tmp_path, "succeed"))
    assert heard(runner)[-1] == Exited(status=Exit.DONE)


def test_a_job_goes_on_while_its_worker_says_that_it_lives(runner: WarmRunner, tmp_path: Path) -> None:
    runner.run(an_order(tmp_path, "work").model_copy(update={"lease_s": 3.0}))
    steps = 0
    while steps < 80:  # at 0.05 s each, longer than the lease
        message = runner.next_message(20.0)
        assert not isinstance(message, Exited)
        steps += 1
        runner.say_alive()
    runner.stop()
    assert heard(runner)[-1] == Exited(status=Exit.STOPPED)
