"""Views do not depend on how many threads draw them, and drawing them leaves torch's own threads as they were."""

import os
import select
import threading
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from simclr import chunks
from simclr.augment import OPERATIONS, draw_views
from simclr.chunks import for_each
from simclr.views import parameters
from tests.simclr.torchvision_views import EVERYTHING, random_images

IMAGES = random_images(300)  # three chunks


def views(threads: int | None) -> Tensor:
    return draw_views(IMAGES, EVERYTHING, torch.Generator().manual_seed(0), threads)


@pytest.mark.parametrize("threads", [2, 3, None])
def test_views_are_the_same_bit_for_bit_whatever_the_number_of_threads(threads: int | None) -> None:
    assert torch.equal(views(threads), views(1))


@pytest.mark.parametrize("own", [1, 2])
def test_torchs_own_number_of_threads_does_not_change_the_views_nor_is_it_changed(own: int) -> None:
    expected = views(1)
    before = torch.get_num_threads()
    torch.set_num_threads(own)
    try:
        for threads in (1, 2, 5):
            assert torch.equal(views(threads), expected)
            assert torch.get_num_threads() == own
            seen: list[int] = []
            other = threading.Thread(target=lambda to=seen: to.append(torch.get_num_threads()))
            other.start()
            other.join()
            assert seen == [own]
    finally:
        torch.set_num_threads(before)


def test_chunks_are_shared_by_threads_of_one_core_each() -> None:
    both_at_work = threading.Barrier(2, timeout=60)
    seen: list[tuple[int, int]] = []

    def work(_chunk: int) -> None:
        both_at_work.wait()
        seen.append((threading.get_ident(), torch.get_num_threads()))

    for_each(work, [0, 1], threads=2)
    assert len({thread for thread, _ in seen}) == 2
    assert threading.get_ident() not in {thread for thread, _ in seen}
    assert [cores for _, cores in seen] == [1, 1]


def test_two_callers_have_their_threads_each_where_there_are_cores_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "_cores", lambda: 4)
    for_each(lambda _chunk: None, [0, 1], threads=2)  # the pool is there now: two callers at once might make one each
    all_at_work = threading.Barrier(4, timeout=20)
    callers = [threading.Thread(target=for_each, args=(lambda _chunk: all_at_work.wait(), [0, 1], 2)) for _ in range(2)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert not all_at_work.broken


def test_no_more_threads_work_than_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "_cores", lambda: 4)
    seen: set[int] = set()
    done: list[int] = []

    def work(chunk: int) -> None:
        seen.add(threading.get_ident())
        done.append(chunk)
        # Long enough for others to take a chunk, if there were any.
        torch.ones(256, 256) @ torch.ones(256, 256)

    for_each(work, list(range(40)), threads=2)
    assert sorted(done) == list(range(40))
    assert len(seen) <= 2


def test_a_single_chunk_or_thread_is_done_by_the_caller() -> None:
    for given, threads in (([0], 4), ([0, 1, 2], 1)):
        seen: list[int] = []
        for_each(lambda _chunk, to=seen: to.append(threading.get_ident()), given, threads)
        assert set(seen) == {threading.get_ident()}


@pytest.mark.parametrize("threads", [1, 2])
def test_what_goes_wrong_in_a_chunk_is_raised(threads: int) -> None:
    def work(chunk: int) -> None:
        if chunk == 2:
            raise ValueError("chunk 2 is torn")

    with pytest.raises(ValueError, match="chunk 2 is torn"):
        for_each(work, [0, 1, 2, 3], threads)


def test_after_an_error_no_other_chunk_is_begun_and_nobody_is_still_at_work() -> None:
    begun: list[int] = []
    both_at_work = threading.Barrier(2, timeout=60)
    ended: list[int] = []

    def work(chunk: int) -> None:
        begun.append(chunk)
        both_at_work.wait()
        if chunk == 0:
            raise ValueError("chunk 0 is torn")
        for _ in range(50):
            torch.ones(256, 256) @ torch.ones(256, 256)
        ended.append(chunk)

    with pytest.raises(ValueError, match="chunk 0 is torn"):
        for_each(work, list(range(20)), threads=2)
    assert sorted(begun) == [0, 1]
    assert ended == [1]


def test_no_threads_at_all_are_refused() -> None:
    with pytest.raises(ValueError, match="threads must be 1 or more, not 0"):
        views(0)


@pytest.mark.parametrize("mode", [torch.inference_mode, torch.no_grad])
def test_views_can_be_drawn_where_gradients_are_off(mode: type[torch.no_grad]) -> None:
    expected = views(1)
    with mode():
        assert torch.equal(views(2), expected)


def test_a_forked_process_draws_the_same_views_with_threads_of_its_own() -> None:
    expected = views(2)  # threads run now, which a fork does not copy
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writer, b"same" if torch.equal(views(2), expected) else b"others")
        finally:
            os._exit(0)
    os.close(writer)
    try:
        answered, _, _ = select.select([reader], [], [], 60)
        assert answered, "the forked process hangs"
        assert os.read(reader, 16) == b"same"
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)
        os.close(reader)


def test_drawing_and_applying_ask_for_no_threads_of_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    # Torch's threads wait for one another after every small operation: beside a busy neighbour, five times as long.
    seen: list[int] = []

    def told(work: Callable[..., object]) -> Callable[..., object]:
        def do(*arguments: object) -> object:
            seen.append(torch.get_num_threads())
            return work(*arguments)

        return do

    monkeypatch.setattr(parameters, "_boxes", told(parameters._boxes))
    monkeypatch.setitem(OPERATIONS, "blur", told(OPERATIONS["blur"]))
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        views(1)
        views(2)
    finally:
        torch.set_num_threads(before)
    assert len(seen) >= 4
    assert set(seen) == {1}
