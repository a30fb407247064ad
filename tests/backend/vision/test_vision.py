"""The process that sees strangers' images may die, hang or lie idle; whoever asks gets an answer all the same."""

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from backend.vision import Vision, VisionCrashed, VisionRefused, VisionSuperseded, VisionUnavailable
from backend.vision.frames import MAX_BLOBS, MAX_HEADER, Channel, Header
from simclr.datasets.store import Dataset
from simclr.encoder_file import image_facts, pixels_encoder
from tests.backend.api.lab import images

pytestmark = pytest.mark.slow

# Children without torch, for what only a misbehaving one does.
ANSWERS = (
    "while True:\n    header, blobs = channel.receive()\n    channel.send({'ok': True, 'pid': os.getpid()}, blobs)\n"
)
MISBEHAVING = """
import os, sys, socket, time
from backend.vision.frames import Channel
channel = Channel(socket.socket(fileno=int(sys.argv[2])))
"""


# What the API adds to every preview.
PAIRS: Header = {"views": 2, "alone": []}


def misbehaving(then: str) -> list[str]:
    return [sys.executable, "-c", MISBEHAVING + then]


def wait_until(is_so: Callable[[], bool], timeout_s: float = 30.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < deadline, "it did not become so"
        time.sleep(0.01)


def is_gone(pid: int) -> bool:
    """True when no such process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def previewed(dataset: Dataset, indices: list[int], seed: int = 0) -> tuple[Header, list[bytes]]:
    pixels = np.ascontiguousarray(dataset.images[indices])
    header = {"do": "preview", "indices": indices, "shape": pixels.shape, "seed": seed, "config": {}, **PAIRS}
    return header, [pixels.tobytes()]


def ask(vision: Vision, outcomes: list[BaseException]) -> None:
    """Ask, in a thread of its own, and keep how that ended."""
    try:
        vision.ask({})
    except (VisionCrashed, VisionUnavailable) as outcome:
        outcomes.append(outcome)


@pytest.fixture(scope="module")
def vision() -> Iterator[Vision]:
    running = Vision()
    running.start()
    yield running
    running.stop()


def test_the_views_of_an_image_depend_on_seed_and_index_alone(vision: Vision) -> None:
    dataset = images()
    alone = vision.ask(*previewed(dataset, [5])).blobs
    together = vision.ask(*previewed(dataset, [3, 5, 9])).blobs
    other = vision.ask(*previewed(dataset, [5], seed=1)).blobs
    assert together[2:4] == alone
    assert other[0] != alone[0] != alone[1]


def test_a_preview_takes_less_than_a_fifth_of_a_second(vision: Vision) -> None:
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (8, 3, 32, 32), dtype=np.uint8)
    header = {
        "do": "preview",
        "indices": list(range(8)),
        "shape": pixels.shape,
        "seed": 0,
        "config": {"blur_p": 1.0},
        **PAIRS,
    }
    vision.ask(header, [pixels.tobytes()])
    times = []
    for _ in range(9):
        began = time.perf_counter()
        vision.ask(header, [pixels.tobytes()])
        times.append(time.perf_counter() - began)
    assert sorted(times)[4] < 0.2  # the median: neighbours on the machine may disturb a few


def test_what_is_no_image_is_refused_and_the_child_lives_on(vision: Vision, tmp_path: Path) -> None:
    encoder = tmp_path / "pixels.safetensors"
    pixels_encoder(image_facts(images()), encoder)
    child = vision.child_pid
    header = {"do": "encode", "encoder": str(encoder), "features": "h", "channels": 3, "image_size": 16}
    for junk in (b"", b"GIF89a", b"<svg/>", b"%PDF-1.4", os.urandom(1000)):
        with pytest.raises(VisionRefused) as refusal:
            vision.ask(header, [junk])
        assert refusal.value.code == "not_an_image"
    assert vision.child_pid == child


def test_a_child_that_was_killed_is_replaced_unnoticed(vision: Vision) -> None:
    vision.ask(*previewed(images(), [0]))
    killed = vision.child_pid
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: is_gone(killed))
    assert vision.ask(*previewed(images(), [0])).blobs
    assert vision.child_pid != killed


def test_the_child_is_limited_and_holds_no_secret(vision: Vision, monkeypatch: pytest.MonkeyPatch) -> None:
    vision.ask(*previewed(images(), [0]))
    process = Path(f"/proc/{vision.child_pid}")
    limits = {line[:26].strip(): line[26:].split() for line in (process / "limits").read_text().splitlines()}
    assert limits["Max address space"][0] != "unlimited"
    assert limits["Max open files"][0] == "64"
    assert limits["Max core file size"][0] == "0"
    assert "SIMCLR_LAB" not in (process / "environ").read_text()
    assert int((process / "stat").read_text().rpartition(")")[2].split()[16]) >= 5


def test_a_crash_ends_one_request_and_the_next_one_is_answered() -> None:
    crashing = misbehaving("channel.send({})\nheader, _ = channel.receive()\nif header['bad']: os._exit(1)\n" + (
        "channel.send({'ok': True, 'pid': os.getpid()})\ntime.sleep(60)"
    ))  # fmt: skip
    vision = Vision(crashing)
    vision.start()
    with pytest.raises(VisionCrashed, match="stopped"):
        vision.ask({"bad": True})
    assert vision.ask({"bad": False}).header["pid"] == vision.child_pid
    vision.stop()


def test_a_child_that_hangs_is_killed_and_replaced() -> None:
    vision = Vision(misbehaving("channel.send({})\nchannel.receive()\ntime.sleep(600)"), timeout_s=0.2)
    vision.start()
    wait_until(lambda: vision.child_pid is not None)
    hung = vision.child_pid
    assert hung is not None
    with pytest.raises(VisionCrashed, match="longer than"):
        vision.ask({})
    wait_until(lambda: is_gone(hung))
    vision.stop()


def test_a_child_that_does_not_start_is_said_to_be_unavailable() -> None:
    vision = Vision([sys.executable, "-c", "raise SystemExit(3)"])
    vision.start()
    with pytest.raises(VisionUnavailable, match="does not start"):
        vision.ask({})
    vision.stop()


def test_stopping_kills_the_child_in_the_midst_of_a_request() -> None:
    vision = Vision(misbehaving("channel.send({})\nchannel.receive()\ntime.sleep(600)"))
    vision.start()
    outcomes: list[BaseException] = []
    asking = [threading.Thread(target=ask, args=(vision, outcomes)) for _ in range(3)]
    for thread in asking:
        thread.start()
    wait_until(lambda: vision.child_pid is not None)
    pid = vision.child_pid
    assert pid is not None
    began = time.monotonic()
    vision.stop()
    for thread in asking:
        thread.join(5)
    assert time.monotonic() - began < 5
    assert len(outcomes) == 3
    assert is_gone(pid)


def test_too_many_waiting_requests_are_turned_away() -> None:
    vision = Vision(
        misbehaving("channel.send({})\nchannel.receive()\ntime.sleep(600)")
    )  # never started: nobody takes any
    outcomes: list[BaseException] = []
    asking = [threading.Thread(target=ask, args=(vision, outcomes)) for _ in range(16)]
    for thread in asking:
        thread.start()
    wait_until(lambda: len(vision._requests) == 16)
    with pytest.raises(VisionUnavailable, match="16 requests"):
        vision.ask({})
    vision.stop()
    for thread in asking:
        thread.join(5)
    assert len(outcomes) == 16


def test_a_newer_request_of_the_same_caller_takes_the_place_of_one_that_waits() -> None:
    vision = Vision(misbehaving("channel.send({})\nchannel.receive()\ntime.sleep(600)"))  # never started
    outcomes: list[BaseException] = []

    def ask_as(caller: str) -> None:
        try:
            vision.ask({}, caller=caller, replaces="preview")
        except (VisionSuperseded, VisionUnavailable) as outcome:
            outcomes.append(outcome)

    asking = [threading.Thread(target=ask_as, args=(caller,)) for caller in ("a", "b", "a")]
    for number, thread in enumerate(asking):
        thread.start()
        wait_until(lambda number=number: len(vision._requests) + len(outcomes) > number)  # type: ignore[misc]
    assert [type(outcome) for outcome in outcomes] == [VisionSuperseded]
    vision.stop()
    for thread in asking:
        thread.join(5)
    assert sorted(type(outcome).__name__ for outcome in outcomes[1:]) == ["VisionUnavailable", "VisionUnavailable"]


def test_the_child_loads_neither_lightning_nor_torchvision_and_dies_with_its_parent(tmp_path: Path) -> None:
    script = (
        "import sys, time\nfrom backend.vision import Vision\n"
        "v = Vision([sys.executable, '-X', 'importtime', '-m', 'backend.vision.child'])\nv.start()\n"
        "while v.child_pid is None: time.sleep(0.01)\n"
        "v.ask({'do': 'preview', 'indices': [0], 'shape': [1, 1, 8, 8], 'seed': 0, 'config': {}, 'views': 2, 'alone': []},"
        "      [bytes(64)])\n"
        "print(v.child_pid, flush=True)\ntime.sleep(600)\n"
    )
    told = tmp_path / "stderr.txt"  # a line for each module that the child loads
    with (
        told.open("wb") as stderr,
        subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=stderr, text=True) as parent,
    ):
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert not is_gone(pid)
        parent.kill()
    wait_until(lambda: is_gone(pid))
    loaded = {line.rpartition("|")[2].strip() for line in told.read_text().splitlines()}
    assert {"torch", "simclr.augment"} <= loaded
    assert not {"pytorch_lightning", "torchvision", "sklearn"} & loaded


def channels() -> tuple[Channel, socket.socket]:
    ours, theirs = socket.socketpair()
    return Channel(ours), theirs


def test_a_frame_arrives_as_it_was_sent() -> None:
    left, right = socket.socketpair()
    header, blobs = {"do": "x", "n": [1, 2]}, [b"", b"abc", os.urandom(100_000)]
    sending = threading.Thread(target=Channel(left).send, args=(header, blobs))
    sending.start()
    assert Channel(right).receive(5.0) == (header, blobs)
    sending.join()


def test_a_frame_that_does_not_come_in_time_is_not_waited_for() -> None:
    channel, theirs = channels()
    theirs.sendall(struct.pack("!I", 10) + b"{")
    with pytest.raises(TimeoutError):
        channel.receive(0.05)


def test_a_closed_channel_ends_the_conversation() -> None:
    channel, theirs = channels()
    theirs.close()
    with pytest.raises(EOFError):
        channel.receive(1.0)


def test_a_frame_of_absurd_size_is_not_read() -> None:
    for frame in (
        struct.pack("!I", MAX_HEADER + 1),
        struct.pack("!I", 40) + json.dumps({"blobs": [MAX_BLOBS + 1]}).ljust(40).encode(),
    ):
        channel, theirs = channels()
        theirs.sendall(frame)
        with pytest.raises(ValueError, match="exceed"):
            channel.receive(1.0)
