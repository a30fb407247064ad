import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

from simclr.events import Stopped, never
from simclr.training import Batches, Diverged, ImagePool, Watch
from tests.simclr.conftest import Heard


def batches(n: int = 40, size: int = 4) -> Batches:
    return Batches(np.arange(n), size, torch.Generator().manual_seed(0))


def ticking(seconds: float) -> Callable[[], float]:
    """A clock that goes on by ``seconds`` whenever it is read."""
    times = iter(range(10**9))
    return lambda: next(times) * seconds


def test_a_pass_shows_every_image_once_but_those_that_fill_no_batch() -> None:
    indices = np.array([3, 5, 8, 9, 20, 21, 30])
    shown = list(Batches(indices, 3, torch.Generator().manual_seed(0)))
    assert [len(batch) for batch in shown] == [3, 3]
    assert len(set(torch.cat(shown).tolist()) & set(indices.tolist())) == 6


def test_every_pass_has_another_order_and_the_same_seed_the_same_orders() -> None:
    first, again = batches(), batches()
    orders = [torch.cat(list(first)) for _ in range(2)]
    assert not torch.equal(orders[0], orders[1])
    assert all(torch.equal(order, torch.cat(list(again))) for order in orders)


def test_a_batch_larger_than_the_set_is_refused_with_the_fix() -> None:
    with pytest.raises(ValueError, match=r"batch_size is 64 but there are only 40 training images: choose 40 or less"):
        batches(40, 64)
    # A batch of one is no way out.
    for n in (0, 1):
        with pytest.raises(ValueError, match=rf"there are only {n} training images: import more images$"):
            batches(n, 2)


def test_images_are_taken_by_index_also_from_a_read_only_map() -> None:
    images = np.arange(5, dtype=np.uint8).reshape(5, 1, 1, 1)
    images.setflags(write=False)
    pool = ImagePool(images, torch.device("cpu"))
    assert pool[torch.tensor([4, 0, 4])].flatten().tolist() == [4, 0, 4]


def test_progress_is_told_at_most_four_times_a_second_and_at_the_last_step(heard: Heard) -> None:
    # The clock is read a few times a step: a step takes about 0.02 to 0.05 s here.
    watch = Watch(batches(), 5, heard, never, chance=2.0, clock=ticking(0.02))
    for _ in range(50):
        watch.stepped(torch.tensor(1.0), 0.1)
    told = [event.step for event in heard.progress]
    assert told[-1] == 50
    assert 2 <= len(told) <= 12
    last = heard.progress[-1]
    assert (last.steps, last.epoch, last.epochs, last.loss, last.chance, last.eta_s) == (50, 5, 5, 1.0, 2.0, 0.0)


def test_the_loss_told_is_the_mean_of_the_last_steps_an_epochs_at_most(heard: Heard) -> None:
    watch = Watch(batches(8, 4), 2, heard, never, clock=lambda: 0.0)
    for loss in (1.0, 3.0, 5.0, 9.0):
        watch.stepped(torch.tensor(loss), 0.1)
    assert [event.loss for event in heard.progress] == [2.0, 7.0]


def test_what_is_told_of_a_step_does_not_depend_on_when_others_were_told() -> None:
    curves = []
    for seconds_a_look in (0.0, 0.02, 1.0):
        heard = Heard()
        watch = Watch(batches(120, 4), 2, heard, never, clock=ticking(seconds_a_look))
        for step in range(60):
            watch.stepped(torch.tensor(1.0 / (1 + step)), 0.1)
        curves.append({event.step: event.loss for event in heard.progress})
    seldom, now_and_then, always = curves
    assert set(seldom) < set(now_and_then) < set(always)
    assert now_and_then == {step: always[step] for step in now_and_then}
    assert seldom == {step: always[step] for step in seldom}


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_a_loss_that_is_no_number_is_refused_by_its_step(heard: Heard, wrong: float) -> None:
    watch = Watch(batches(8, 4), 3, heard, never, clock=lambda: 0.0)
    for loss in (1.0, 1.0, wrong):
        watch.stepped(torch.tensor(loss), 0.1)
    with pytest.raises(Diverged, match=f"the loss became {wrong} at step 3 of 6: lower learning_rate"):
        watch.stepped(torch.tensor(1.0), 0.1)  # the end of the second epoch reads its losses


def test_time_spent_aside_is_not_training_time() -> None:
    now = [0.0]
    watch = Watch(batches(), 1, lambda _event: None, never, clock=lambda: now[0])
    now[0] = 2.0
    watch.step = 10
    with watch.aside():
        now[0] = 100.0
    now[0] = 102.0
    assert watch.images_per_s == pytest.approx(10 * 4 / 4.0)


def test_being_asked_to_stop_raises_stopped() -> None:
    with pytest.raises(Stopped, match="at step 0 of 10"):
        Watch(batches(), 1, lambda _event: None, lambda: True).check()
