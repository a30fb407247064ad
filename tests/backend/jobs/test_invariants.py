"""Every violation, made for real in an otherwise sound lab, is found and named; a sound lab has none."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest
from sqlalchemy import delete, update
from sqlalchemy.orm import Session

from backend.catalogue.engine import Catalogue, now
from backend.catalogue.models import BankRow, CheckpointRow, EncoderRow, EventRow, JobRow, ResultRow
from backend.jobs import store
from backend.jobs.invariants import violations
from backend.jobs.outcomes import Artefact, Cancelled, Failed, Paused, Succeeded
from backend.jobs.states import Kind
from simclr.events import Checkpoint, Log
from simclr.results import EmbedResult
from tests.backend.jobs.rows import EMBEDDED, PRETRAINED, TRANSFERRED, add_encoder, claim, submit

pytestmark = pytest.mark.slow

CONTENT = b"weights and all"


@dataclass(frozen=True)
class Sound:
    """A lab in which all is well, with a job of every kind and every ending."""

    catalogue: Catalogue
    folder: Path
    trained: str
    embedded: str
    transferred: str
    failed: str
    paused: str
    running: str
    queued: str

    def found(self, **more: float) -> list[str]:
        with self.catalogue.reading() as session:
            return violations(session, self.folder, **more)

    def write(self, key: str) -> Path:
        path = self.folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(CONTENT)
        return path


@pytest.fixture
def sound(catalogue: Catalogue, dataset_id: str, tmp_path: Path) -> Sound:
    folder = tmp_path / "data"
    encoder_id = add_encoder(catalogue, dataset_id)

    def begin(kind: Kind) -> store.Claim:
        job_id = submit(catalogue, dataset_id, kind, encoder_id=None if kind is Kind.PRETRAIN else encoder_id)
        claimed = claim(catalogue)
        assert claimed.job_id == job_id
        event = Checkpoint(step=4, epoch=1, name="4.pt", sha256=sha256(CONTENT).hexdigest())
        with catalogue.writing() as session:
            store.progress(session, claimed.job_id, claimed.epoch, [Log(message="hello"), event])
        lab.write(f"jobs/{claimed.job_id}/1/4.pt")
        return claimed

    def end(kind: Kind, outcome: object) -> str:
        claimed = begin(kind)
        with catalogue.writing() as session:
            if isinstance(outcome, Paused):
                store.request_pause(session, claimed.job_id)
            assert store.settle(session, claimed.job_id, claimed.epoch, outcome)  # type: ignore[arg-type]
        return claimed.job_id

    lab = Sound(catalogue, folder, *[""] * 7)
    lab.write("encoders/p.safetensors")
    lab.write("datasets/digits/dataset.json")
    lab.write("jobs/j/1/features.npy")
    with_file = Succeeded(PRETRAINED.result, Artefact("jobs/t/1/encoder.safetensors", "ab" * 32, {}))
    trained = end(Kind.PRETRAIN, with_file)
    key = f"jobs/{trained}/1/encoder.safetensors"
    lab.write(key)
    with catalogue.writing() as session:
        session.execute(update(EncoderRow).where(EncoderRow.job_id == trained).values(key=key))
    embedded = end(Kind.EMBED, EMBEDDED)
    features = f"jobs/{embedded}/1/features.npy"
    lab.write(features)
    with catalogue.writing() as session:
        session.execute(update(BankRow).values(key=features))
    (folder / "jobs/j/1/features.npy").unlink()
    end(Kind.PRETRAIN, Cancelled())
    return Sound(
        catalogue, folder, trained, embedded, end(Kind.TRANSFER, TRANSFERRED), end(Kind.PRETRAIN, Failed("disk", "full")),
        end(Kind.PRETRAIN, Paused()), begin(Kind.PRETRAIN).job_id, submit(catalogue, dataset_id),
    )  # fmt: skip


Break = Callable[[Sound, Session], object]


def change(job_id: str, **values: object) -> object:
    return update(JobRow).where(JobRow.id == job_id).values(**values)


def one_more_event(session: Session, job_id: str, state: str, *, seq: int, epoch: int = 1) -> None:
    data = {"state": state, "message": ""}
    session.add(EventRow(job_id=job_id, seq=seq, epoch=epoch, kind="state", data=data, at=0.0))


def test_a_sound_lab_has_no_violations_however_old_its_files(sound: Sound) -> None:
    assert sound.found(stray_s=-1.0) == []


@pytest.mark.parametrize(
    ("job", "do", "sentence"),
    [
        ("running", lambda lab, s: s.execute(change(lab.running, lease_until=now(s) - 61)), "silent for more than 60 s"),
        ("running", lambda lab, s: s.execute(change(lab.running, lease_until=None)), "silent for more than 60 s"),
        ("trained", lambda lab, s: one_more_event(s, lab.trained, "running", seq=6, epoch=2),
            "is at attempt 1, but has an event of attempt 2"),
        ("trained", lambda lab, s: s.execute(update(CheckpointRow).where(CheckpointRow.job_id == lab.trained).values(epoch=3)),
            "is at attempt 1, but has a checkpoint of attempt 3"),
        ("trained", lambda lab, s: one_more_event(s, lab.trained, "succeeded", seq=6), "2 events tell its end"),
        ("failed", lambda lab, s: s.execute(change(lab.failed, state="cancelled")), "is cancelled, but 1 events tell"),
        ("failed", lambda lab, s: s.execute(delete(EventRow).where(EventRow.job_id == lab.failed, EventRow.seq == 5)),
            "is failed, but 0 events tell its end"),
        ("paused", lambda lab, s: one_more_event(s, lab.paused, "failed", seq=7), "is paused, but an event tells"),
        ("trained", lambda lab, s: s.execute(delete(EventRow).where(EventRow.job_id == lab.trained, EventRow.seq == 2)),
            "4 events numbered 1 to 5, with gaps"),
        ("queued", lambda lab, s: s.execute(delete(EventRow).where(EventRow.job_id == lab.queued)), "has no events"),
        ("trained", lambda lab, s: s.execute(delete(EncoderRow).where(EncoderRow.job_id == lab.trained)),
            "(pretrain) is succeeded, but 0 rows name it as what made encoder"),
        ("transferred", lambda lab, s: s.execute(delete(ResultRow)), "0 rows name it as what made result"),
        ("embedded", lambda lab, s: s.execute(delete(BankRow)), "0 rows name it as what made bank"),
        ("failed", lambda lab, s: s.execute(update(EncoderRow).where(EncoderRow.origin == "pixels").values(job_id=lab.failed)),
            "(pretrain) is failed, but 1 rows name it"),
        ("paused", lambda lab, s: lab.write(f"jobs/{lab.paused}/1/4.pt").write_bytes(CONTENT[:-1]), "is not what was written"),
        ("paused", lambda lab, s: (lab.folder / f"jobs/{lab.paused}/1/4.pt").unlink(), "4.pt, is missing"),
        ("trained", lambda lab, s: (lab.folder / f"jobs/{lab.trained}/1/encoder.safetensors").unlink(), "is missing"),
        ("embedded", lambda lab, s: (lab.folder / f"jobs/{lab.embedded}/1/features.npy").unlink(), "embed again"),
    ],
)  # fmt: skip
def test_a_violation_is_found_and_names_its_job(sound: Sound, job: str, do: Break, sentence: str) -> None:
    with sound.catalogue.writing() as session:
        do(sound, session)
    [found] = sound.found()
    assert f"job {getattr(sound, job)}" in found
    assert sentence in found
    assert ": " in found, "it says what to do"


@pytest.mark.parametrize("name", ["paused", "trained", "running", "queued"])
def test_a_file_that_nothing_needs_is_found_when_it_is_old(sound: Sound, name: str) -> None:
    job_id = getattr(sound, name)
    stray = sound.write(f"jobs/{job_id}/9/encoder.safetensors")
    assert sound.found() == []
    os.utime(stray, (0, time.time() - 3601))
    assert sound.found() == [f"job {job_id}: nothing needs jobs/{job_id}/9/encoder.safetensors: delete it"]


def test_what_imports_left_is_found(sound: Sound) -> None:
    sound.write("datasets/lost/images.npy")
    sound.write("staging/gone.upload")
    assert sound.found() == []
    assert sound.found(stray_s=-1.0) == [
        "no data set is in datasets/lost: delete it",
        "no import needs staging/gone.upload: delete it",
    ]


def test_a_data_set_without_its_folder_is_found(sound: Sound, dataset_id: str) -> None:
    (sound.folder / "datasets/digits/dataset.json").unlink()
    [found] = sound.found()
    assert found == f"data set {dataset_id}, digits: datasets/digits is missing: restore it, or import it again"


def test_files_of_a_job_that_the_catalogue_does_not_know_are_found(sound: Sound) -> None:
    sound.write("jobs/gone/1/4.pt")
    assert sound.found(stray_s=-1.0) == ["job gone: nothing needs jobs/gone/1/4.pt: delete it"]


def test_a_bank_may_take_the_place_of_an_earlier_one(sound: Sound, dataset_id: str) -> None:
    with sound.catalogue.reading() as session:
        encoder_id = session.get_one(JobRow, sound.embedded).encoder_id
    with sound.catalogue.writing() as session:
        store.request_cancel(session, sound.queued)
    submit(sound.catalogue, dataset_id, Kind.EMBED, encoder_id=encoder_id)
    again = claim(sound.catalogue)
    key = f"jobs/{again.job_id}/1/features.npy"
    sound.write(key)
    result = EmbedResult(n=10, feature_dim=16, images_per_s=900.0, seconds=0.1)
    with sound.catalogue.writing() as session:
        assert store.settle(session, again.job_id, again.epoch, Succeeded(result, Artefact(key, "cd" * 32)))
    assert sound.found() == []
