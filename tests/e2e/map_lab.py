"""A run in a lab whose classes part epoch by epoch, all its epochs mapped in a row, as if jobs had done it."""

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from backend.catalogue.engine import Catalogue, open_catalogue
from backend.catalogue.models import BankRow, DatasetRow, EncoderRow, JobRow
from backend.jobs import store
from backend.jobs.map_order import MapOrder
from backend.jobs.maps import content_of, enter_map
from backend.jobs.outcomes import Artefact, Succeeded
from backend.jobs.states import Kind
from backend.settings import Settings
from benchmarks.sets import put_set
from simclr.datasets import Dataset
from simclr.datasets.digits import digits
from simclr.encoder_file import image_facts, pixels_encoder
from simclr.map_config import MapConfig
from simclr.maps.make import make_maps
from simclr.predictions import Predictions, write_predictions
from simclr.results import EmbedResult, TransferResult
from simclr.runs import Run, sha256_of

N = 500
EPOCHS = (0, 1, 4, 8)
# Here no graphics card draws, so WebGL is to draw though it is slow.
SLOW_WEBGL = """const getExtension = WebGL2RenderingContext.prototype.getExtension;
WebGL2RenderingContext.prototype.getExtension = function (name) {
  return name === 'WEBGL_debug_renderer_info' ? null : getExtension.call(this, name);
};"""


def features(dataset: Dataset, epoch: int) -> NDArray[np.float32]:
    """Noise at first, the class in the end."""
    random = np.random.default_rng(epoch)
    known = np.eye(16, dtype=np.float32)[dataset.labels] * (epoch / EPOCHS[-1]) * 3
    return unit(known + random.normal(scale=0.6, size=(len(dataset), 16)))


def unit(rows: NDArray[np.floating]) -> NDArray[np.float32]:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def write_lab(settings: Settings) -> tuple[str, str, str]:
    """Ids of the set, of the run's last encoder and of the pixels."""
    whole, folder = digits(), settings.data_folder
    dataset = Dataset(whole.images[:N], whole.labels[:N], whole.splits[:N], whole.classes, whole.source)
    catalogue = open_catalogue(settings)
    dataset_id = put_set(catalogue, folder, dataset, "Digits")
    key = f"encoders/pixels-{dataset_id}.safetensors"
    pixels = pixels_encoder(image_facts(dataset), _made(folder / key))

    with catalogue.writing() as session:
        job = JobRow(
            kind=Kind.PRETRAIN, name="Digits, 8 epochs", state="succeeded", desired="run", config={"epochs": 8},
            dataset_id=dataset_id, created_at=time.time(),
        )  # fmt: skip
        session.add(job)
        session.flush()
        encoders = {}
        for epoch in EPOCHS:
            last = epoch == EPOCHS[-1]
            encoders[epoch] = EncoderRow(
                name=job.name if last else f"{job.name}, epoch {epoch}", origin="pixels", sha256=f"{epoch:064d}",
                key=key, description=pixels.model_dump(mode="json"), dataset_id=dataset_id,
                created_at=0.0, job_id=job.id if last else None, run_id=None if last else job.id, step=epoch, epoch=epoch,
                listed=last,
            )  # fmt: skip
        encoders[-1] = EncoderRow(
            name="Pixels of Digits", origin="pixels", sha256=sha256_of(folder / key),
            key=key, description=pixels.model_dump(mode="json"), dataset_id=dataset_id, created_at=0.0,
        )  # fmt: skip
        session.add_all(encoders.values())
        session.flush()
        ids = {epoch: row.id for epoch, row in encoders.items()}

    def settle(asked: store.Submission, outcome: Succeeded) -> None:
        with catalogue.writing() as session:
            submitted = store.submit(session, replace(asked, priority=1))  # before whatever waits there
            claim = store.claim(session, "player")
            assert claim is not None
            assert store.settle(session, submitted.id, claim.epoch, outcome)

    paths = []
    for epoch, encoder_id in ids.items():
        bank = dataset.images.reshape(N, -1) / 255 if epoch < 0 else features(dataset, epoch)
        path = _made(folder / f"jobs/{encoder_id}/1/features.npy")
        np.save(path, unit(bank))
        paths.append(path)
        projection_dim = None
        if epoch == EPOCHS[-1]:
            projection_dim = 8
            np.save(Run(path.parent).projections, unit(bank[:, :projection_dim]))
        embedded = EmbedResult(
            n=N, feature_dim=bank.shape[1], projection_dim=projection_dim, images_per_s=1.0, seconds=1.0
        )
        made = Artefact(str(path.relative_to(folder)), sha256_of(path))
        settle(store.Submission(Kind.EMBED, dataset_id, {"batch_size": 512}, encoder_id), Succeeded(embedded, made))
    _map_epochs(catalogue, folder, dataset_id, [ids[epoch] for epoch in EPOCHS], paths[:-1])
    test = dataset.indices("test")
    answers = np.eye(10, dtype=np.float32)[(dataset.labels[test] + (test % 5 == 0)) % 10]  # every fifth is wrong
    write_predictions(folder / "answers.npz", {"test": Predictions(test, dataset.labels[test], answers)})
    result = TransferResult(strategy="knn", scores=[], chance=0.1, seconds=1.0, chosen={})
    asked = store.Submission(Kind.TRANSFER, dataset_id, {"strategy": "knn"}, ids[8])
    settle(asked, Succeeded(result, Artefact("answers.npz", "0" * 64)))
    with catalogue.reading() as session:
        assert session.query(BankRow).filter_by(dataset_id=dataset_id).count() == len(ids)
    catalogue.close()
    return dataset_id, ids[8], ids[-1]


def _map_epochs(catalogue: Catalogue, folder: Path, dataset_id: str, ids: list[str], banks: list[Path]) -> None:
    config = MapConfig()
    run = Run(folder / "maps/epochs")
    result = make_maps(config.model_copy(update={"epochs": 60}), banks, run)
    with catalogue.writing() as session:
        rows = [session.get_one(EncoderRow, encoder_id) for encoder_id in ids]
        content = content_of(rows, session.get_one(DatasetRow, dataset_id), config)
        order = MapOrder(encoder_ids=ids, **config.model_dump())
        key = str(run.map.relative_to(folder))
        enter_map(session, content=content, order=order, dataset_id=dataset_id, key=key, result=result, job_id=None)


def _made(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
