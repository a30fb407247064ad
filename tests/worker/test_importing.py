"""Imports in the place of a runner: downloads with progress, resumed and kept; stopped, crashed and refused without a trace."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from backend.catalogue import queries
from backend.catalogue.engine import Catalogue
from backend.catalogue.models import DatasetRow
from backend.deletion import delete_files, delete_rows, uses_of
from backend.jobs import store
from backend.jobs.imports import ImportOrder, upload_path
from backend.jobs.states import Kind, State
from backend.settings import Settings
from simclr.datasets import DatasetInfo, open_dataset
from simclr.datasets.factors import factors
from simclr.datasets.report import kept_report
from simclr.datasets.reporter import ReportFailed, report_in_child
from simclr.datasets.store import content_hash
from simclr.datasets.variants import LabelsVariant, SplitsVariant
from simclr.events import Stopped
from tests.backend.jobs.rows import job, submit
from tests.simclr.datasets.pictures import class_folders, pack
from tests.simclr.datasets.publisher import Publisher
from tests.worker.imports import (
    CIFAR,
    IMPORTS,
    QUICK,
    do_imports,
    importer_here,
    publishing_cifar10,
    reads_here,
)
from tests.worker.waiting import until
from worker.importing import Importer, Reads, Sources, sources_of
from worker.slot import Slot
from worker.supervise import Attempt

pytestmark = pytest.mark.slow


@dataclass
class Lab:
    catalogue: Catalogue
    folder: Path

    def ask(self, **order: Any) -> str:
        config = ImportOrder.model_validate(order).model_dump(mode="json")
        return submit(self.catalogue, None, Kind.IMPORT, name="Images", config=config)

    def send(self, n: int = 4) -> str:
        job_id = self.ask(origin="upload", source="zip")
        path = upload_path(self.folder, job_id)
        path.parent.mkdir(parents=True, exist_ok=True)
        pack(path, class_folders(n))
        return job_id

    def do(self, reads: Reads = reads_here, **sources: Any) -> None:
        do_imports(self.catalogue, self.folder, importer_here(Sources(self.folder / "downloads", **sources), reads))

    def told(self, job_id: str) -> list[dict[str, Any]]:
        with self.catalogue.reading() as session:
            return [{"kind": event.kind, **event.data} for event in queries.events_after(session, job_id, 0)]

    def files(self) -> list[str]:
        """Everything that imports may leave."""
        places = (self.folder / name for name in ("staging", "jobs"))
        return sorted(str(path.relative_to(self.folder)) for place in places for path in place.rglob("*"))


@pytest.fixture
def lab(catalogue: Catalogue, settings: Settings) -> Lab:
    return Lab(catalogue, settings.data_folder)


@pytest.fixture
def publisher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Publisher]:
    with publishing_cifar10(tmp_path, monkeypatch) as publisher:
        yield publisher


def test_a_published_set_is_downloaded_with_progress_resumed_when_broken_off_and_kept(
    lab: Lab, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.importing.TELL_S", 0.0)
    monkeypatch.setattr("simclr.datasets.download.CHUNK_BYTES", 100_000)
    monkeypatch.setattr("threading.Event.wait", lambda _self, _seconds=None: False)  # no pause before another attempt
    publisher.drops.append(300_000)
    job_id = lab.ask(origin="published", source="cifar10")
    lab.do(mirror=publisher.address)
    row = job(lab.catalogue, job_id)
    assert (row.state, row.error_message) == ("succeeded", None)
    assert row.result is not None
    assert (row.result["n"], row.result["classes"], row.result["image_size"]) == (220, 10, 32)
    assert publisher.asked == [(CIFAR, None), (CIFAR, "bytes=300000-")]
    assert f"Downloading {CIFAR}" in " ".join(event.get("message", "") for event in lab.told(job_id))
    assert row.progress is not None
    assert (lab.folder / "downloads/cifar10" / CIFAR).exists()
    again = lab.ask(origin="published", source="cifar10", image_size=16)
    lab.do(mirror="http://127.0.0.1:1")
    assert job(lab.catalogue, again).state == State.SUCCEEDED


def test_what_is_told_of_a_download_counts_bytes(lab: Lab, publisher: Publisher) -> None:
    job_id = lab.ask(origin="published", source="cifar10")

    def stop_here(*_: object, **__: object) -> DatasetInfo:
        raise Stopped

    with lab.catalogue.writing() as session:
        claim = store.claim(session, "importer", QUICK, IMPORTS)
    assert claim is not None
    importer = importer_here(Sources(lab.folder / "downloads", mirror=publisher.address), stop_here)
    Attempt(claim, importer, lab.catalogue, lab.folder, QUICK).run(threading.Event())
    last = [event for event in lab.told(job_id) if event["kind"] == "progress"][-1]
    whole = len(publisher.files[CIFAR])
    assert (last["step"], last["steps"], last["unit"]) == (whole, whole, "byte")


def test_without_a_network_the_file_and_its_place_are_named(
    lab: Lab, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simclr.datasets.download.ATTEMPTS", 1)
    job_id = lab.ask(origin="published", source="cifar10")
    lab.do(mirror="http://127.0.0.1:1")
    row = job(lab.catalogue, job_id)
    assert (row.state, row.error_code) == ("failed", "offline")
    assert f"fetch {CIFAR} elsewhere and put it into {lab.folder}/downloads/cifar10" in str(row.error_message)


def test_a_file_that_is_not_what_was_published_is_refused(lab: Lab, publisher: Publisher) -> None:
    publisher.files[CIFAR] = b"something else"
    job_id = lab.ask(origin="published", source="cifar10")
    lab.do(mirror=publisher.address)
    assert (job(lab.catalogue, job_id).error_code, publisher.asked) == ("checksum", [(CIFAR, None)])


def test_the_report_is_there_when_the_import_has_ended_and_an_import_does_not_fail_for_want_of_one(lab: Lab) -> None:
    def fail(_folder: Path, _should_stop: Callable[[], bool]) -> None:
        raise ReportFailed("SIGKILL")

    keys = []
    for n, reports in ((4, report_in_child), (5, fail)):
        job_id = lab.send(n)
        do_imports(lab.catalogue, lab.folder, Importer(Sources(lab.folder / "downloads"), reads_here, reports))
        keys.append(made_by(lab, job_id).key)
    reported, unreported = (kept_report(lab.folder / key) for key in keys)
    assert reported is not None
    assert (reported.n, reported.duplicates.exact) == (12, 0)
    assert unreported is None


def test_a_built_in_set_is_drawn_with_progress(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.importing.TELL_S", 0.0)
    job_id = lab.ask(origin="builtin", source="factors", count=60, seed=4)
    lab.do(until_stopped)  # which reads nothing
    last = [event for event in lab.told(job_id) if event["kind"] == "progress"][-1]
    assert (last["step"], last["steps"], last["unit"]) == (60, 60, "image")
    assert made_by(lab, job_id).info["content_hash"] == content_hash(factors(60, 4))


def made_by(lab: Lab, job_id: str) -> DatasetRow:
    with lab.catalogue.reading() as session:
        return session.get_one(DatasetRow, job(lab.catalogue, job_id).dataset_id)


def test_a_variant_is_made_of_a_set_that_no_longer_has_to_be_there_afterwards(lab: Lab) -> None:
    lab.send(20)
    lab.do()
    with lab.catalogue.reading() as session:
        parent = session.scalars(select(DatasetRow)).one()
        uses = uses_of(session, parent.id)
    order = {"origin": "set", "source": parent.id, "variant": SplitsVariant(seed=5), "variant_of": "Images"}
    job_id, late = lab.ask(**order), lab.ask(**order | {"variant": LabelsVariant(shots=1)})
    with lab.catalogue.writing() as session:
        assert uses.unfinished == []
        assert {each.id for each in uses_of(session, parent.id).unfinished} == {job_id, late}
    do_one(lab)
    child = made_by(lab, job_id)
    assert child.info["made_of"]["content_hash"] == parent.content_hash
    assert child.info["notes"][-1].startswith("Made of Images: labelled images divided anew, 70 % train")
    assert (lab.folder / child.key / "images.npy").samefile(lab.folder / parent.key / "images.npy")
    with lab.catalogue.writing() as session:
        row = session.get_one(DatasetRow, parent.id)
        delete_rows(session, row, uses, lab.folder)
    delete_files(lab.folder, parent.key)
    assert len(open_dataset(lab.folder / child.key).images) == 60
    do_one(lab)
    assert (job(lab.catalogue, late).state, job(lab.catalogue, late).error_code) == ("failed", "dataset_deleted")
    assert "the images of Images were deleted" in str(job(lab.catalogue, late).error_message)


def do_one(lab: Lab) -> None:
    with lab.catalogue.writing() as session:
        claim = store.claim(session, "importer", QUICK, IMPORTS)
    assert claim is not None
    Attempt(claim, importer_here(Sources(lab.folder)), lab.catalogue, lab.folder, QUICK).run(threading.Event())


@pytest.mark.parametrize(
    ("order", "code"),
    [
        ({"origin": "upload", "source": "zip"}, "upload_gone"),
        ({"origin": "folder", "source": "flowers"}, "no_folders"),
        ({"origin": "published", "source": "cifar11"}, "unknown_source"),
        ({"origin": "builtin", "source": "cats"}, "unknown_source"),
        ({"origin": "set", "source": "0" * 26, "variant": {"make": "splits"}}, "dataset_deleted"),
    ],
)
def test_what_is_no_longer_there_fails_with_a_reason(lab: Lab, order: dict[str, Any], code: str) -> None:
    job_id = lab.ask(**order)
    lab.do()
    row = job(lab.catalogue, job_id)
    assert (row.state, row.error_code, row.crashes) == ("failed", code, 0)
    assert lab.files() == []


def test_what_an_import_may_cost_is_a_setting(lab: Lab, settings: Settings) -> None:
    strict = settings.model_copy(update={"max_images": 5, "max_pixels": 100, "max_import_s": 7})
    sources = sources_of(strict)
    assert (sources.limits.pixels, sources.limits.cpu_s, sources.most_s) == (100, 7, 7)
    job_id = lab.send()
    do_imports(lab.catalogue, lab.folder, importer_here(sources))
    assert job(lab.catalogue, job_id).error_code == "too_many_entries"
    assert lab.files() == []


def until_stopped(*_: object, should_stop: Callable[[], bool], **__: object) -> DatasetInfo:
    until(should_stop, "a wish to stop")
    raise Stopped


def in_the_meantime(lab: Lab, job_id: str, draining: threading.Event, do: Callable[[], object]) -> None:
    """Do something while the import runs, which stops when it is asked."""
    with lab.catalogue.writing() as session:
        claim = store.claim(session, "importer", QUICK, IMPORTS)
    assert claim is not None
    assert claim.job_id == job_id
    importer = importer_here(Sources(lab.folder / "downloads"), until_stopped)
    attempt = Attempt(claim, importer, lab.catalogue, lab.folder, QUICK)
    at_work = threading.Thread(target=attempt.run, args=(draining,))
    at_work.start()
    do()
    at_work.join(20)
    assert not at_work.is_alive()


def test_a_cancelled_import_ends_and_leaves_nothing(lab: Lab) -> None:
    job_id = lab.send()

    def cancel() -> None:
        with lab.catalogue.writing() as session:
            assert store.request_cancel(session, job_id)

    in_the_meantime(lab, job_id, threading.Event(), cancel)
    assert job(lab.catalogue, job_id).state == State.CANCELLED
    lab.do()  # which tidies up
    assert lab.files() == []


def test_an_import_goes_back_into_the_queue_when_the_lab_is_stopped_and_is_done_later(lab: Lab) -> None:
    job_id, draining = lab.send(), threading.Event()
    in_the_meantime(lab, job_id, draining, draining.set)
    row = job(lab.catalogue, job_id)
    assert (row.state, row.crashes) == ("queued", 0)
    lab.do()
    assert (job(lab.catalogue, job_id).state, job(lab.catalogue, job_id).epoch) == ("succeeded", 2)


def test_an_import_that_dies_of_a_mistake_is_tried_again_with_what_was_sent(lab: Lab) -> None:
    def stumble(*_: object, **__: object) -> DatasetInfo:
        raise RuntimeError("the pixels went for a walk")

    job_id = lab.send()
    lab.do(stumble)
    row = job(lab.catalogue, job_id)
    assert (row.state, row.crashes) == ("queued", 1)
    assert "the pixels went for a walk" in str(lab.told(job_id)[-1]["message"])
    with lab.catalogue.writing() as session:
        queries.job(session, job_id).not_before = 0.0  # type: ignore[union-attr]
    lab.do()
    row = job(lab.catalogue, job_id)
    assert (row.state, row.epoch) == ("succeeded", 2)
    assert not [path for path in lab.files() if path.startswith(("staging/", f"jobs/{job_id}/1"))]


def test_a_slot_for_imports_hears_its_bell_without_a_runner(lab: Lab, settings: Settings) -> None:
    slot = Slot(
        lab.catalogue, lab.folder, QUICK, reach=IMPORTS, start_runner=lambda: importer_here(sources_of(settings))
    )
    slot.open()
    first, second = lab.send(), lab.send()
    slot.ring()
    for job_id in (first, second):
        until(lambda: job(lab.catalogue, job_id).state == State.SUCCEEDED, "the imports")  # noqa: B023
    assert job(lab.catalogue, first).dataset_id == job(lab.catalogue, second).dataset_id
    until(lambda: not list((lab.folder / "staging").iterdir()), "what was sent to go")
    slot.close()
