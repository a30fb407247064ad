"""Who may take which job, where a job stands in the queue, and when it may start."""

import pytest

from backend.catalogue.engine import Catalogue
from backend.jobs import presence, store
from backend.jobs.estimates import Estimate
from backend.jobs.order import Reach
from backend.jobs.places import Place, Waiting, place_of_new, places
from backend.jobs.presence import Presence
from backend.jobs.states import Kind, Lane
from simclr.events import Progress
from tests.backend.jobs.rows import add_encoder, claim, job, submit

SHORT = frozenset({Lane.SHORT})
FIRST, SECOND = Reach(device="cuda:0"), Reach(device="cuda:1")


def live(catalogue: Catalogue, *reaches: Reach) -> None:
    """Workers called "0", "1", … that take what ``reaches`` say."""
    with catalogue.writing() as session:
        for number, reach in enumerate(reaches):
            presence.say_alive(session, Presence(str(number), "host", number, reach, f"a GPU, {reach.device}"))


def standing(catalogue: Catalogue) -> dict[str, Place]:
    with catalogue.reading() as session:
        return places(session)


def lasting(seconds: float) -> dict[str, object]:
    return {"estimate": Estimate(seconds=seconds)}


def test_a_pinned_job_waits_for_its_device_and_others_pass_it(catalogue: Catalogue, dataset_id: str) -> None:
    pinned = submit(catalogue, dataset_id, pinned_to="cuda:1")
    free = submit(catalogue, dataset_id)
    live(catalogue, FIRST, SECOND)
    assert claim(catalogue, "0", reach=FIRST).job_id == free
    with catalogue.writing() as session:
        assert store.claim(session, "0", reach=FIRST) is None
        assert store.claim(session, "a worker that does not know its device") is None
        assert (store.claimable(session, FIRST), store.claimable(session, SECOND)) == (0, 1)
    assert claim(catalogue, "1", reach=SECOND).job_id == pinned
    assert job(catalogue, pinned).device == "a GPU, cuda:1"


def test_each_job_is_expected_where_it_can_start_first(catalogue: Catalogue, dataset_id: str) -> None:
    running = submit(catalogue, dataset_id, **lasting(100.0))
    live(catalogue, FIRST, SECOND)
    claimed = claim(catalogue, "0", reach=FIRST)
    with catalogue.writing() as session:
        store.progress(session, running, claimed.epoch, [Progress(step=1, steps=2, eta_s=50.0)])
    queue = [submit(catalogue, dataset_id, **lasting(20.0)) for _ in range(3)]
    pinned = submit(catalogue, dataset_id, pinned_to="cuda:0", **lasting(5.0))
    found = standing(catalogue)
    assert [found[job_id] for job_id in queue] == [Place(1, 0.0), Place(2, 20.0), Place(3, 40.0)]
    # cuda:1 serves those three, so the pinned one goes on as soon as cuda:0 is free; that one may take them, too.
    assert found[pinned] == Place(4, 50.0)


def test_a_short_job_does_not_stand_behind_long_ones_where_a_worker_is_kept_for_it(
    catalogue: Catalogue, dataset_id: str
) -> None:
    long = [submit(catalogue, dataset_id) for _ in range(2)]
    short = submit(catalogue, dataset_id, kind=Kind.EMBED, encoder_id=add_encoder(catalogue, dataset_id))
    live(catalogue, Reach(lanes=frozenset({Lane.LONG})), Reach(lanes=SHORT))
    found = standing(catalogue)
    assert [found[job_id] for job_id in long] == [Place(1, 0.0), Place(2, None)]
    assert found[short] == Place(1, 0.0)


def test_nobody_knows_when_a_job_starts_without_a_worker_for_it(catalogue: Catalogue, dataset_id: str) -> None:
    pinned = submit(catalogue, dataset_id, pinned_to="cuda:7")
    live(catalogue, FIRST)
    assert standing(catalogue)[pinned] == Place(1, None)


@pytest.mark.parametrize(
    ("submitter", "priority", "expected"), [("ann", 0, 4), ("ben", 0, 2), ("ann", 1, 1), ("ben", -1, 4)]
)
def test_a_job_that_is_only_thought_of_gets_the_place_that_it_would_have(
    catalogue: Catalogue, dataset_id: str, submitter: str, priority: int, expected: int
) -> None:
    for _ in range(3):
        submit(catalogue, dataset_id, submitter="ann", **lasting(10.0))
    live(catalogue, FIRST)
    with catalogue.reading() as session:
        thought = place_of_new(session, Waiting("long", None, 1.0), submitter, priority)
    job_id = submit(catalogue, dataset_id, submitter=submitter, priority=priority, **lasting(1.0))
    assert thought == standing(catalogue)[job_id] == Place(expected, 10.0 * (expected - 1))
