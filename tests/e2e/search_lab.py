"""A set, encoders and embeddings that are in a lab already, as if jobs had made them: no page has to wait for one."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from backend.catalogue.engine import Catalogue, open_catalogue
from backend.catalogue.models import EncoderRow
from backend.jobs import store
from backend.jobs.outcomes import Artefact, Outcome, Succeeded
from backend.jobs.states import Kind
from backend.settings import Settings
from benchmarks.sets import put_set
from simclr.config import EmbedConfig, EncoderConfig, PretrainConfig
from simclr.datasets import Dataset
from simclr.embed import embed
from simclr.encoder_file import EncoderFile, image_facts, pixels_encoder, projection_of
from simclr.encoders import build_head, save_encoder, seeded
from simclr.results import PretrainResult
from simclr.runs import Run, sha256_of

STEPS_AN_EPOCH = 3
LAST_EPOCH = 8


class PlayedLab:
    """Writes rows and files as jobs leave them. The weights are random: pages are looked at here, not what was learned."""

    def __init__(self, settings: Settings, dataset: Dataset) -> None:
        self.folder, self.images = settings.data_folder, dataset
        self.catalogue: Catalogue = open_catalogue(settings)
        self.dataset = put_set(self.catalogue, self.folder, dataset, "factors")

    def pretrained(self) -> tuple[str, str]:
        """The ids of a pretraining and of the encoder that it made."""
        key = "jobs/played/encoder.safetensors"
        described = self._network(key, seed=LAST_EPOCH)
        result = PretrainResult(
            epochs=LAST_EPOCH, steps=LAST_EPOCH * STEPS_AN_EPOCH, loss=2.0, chance=4.8, knn_accuracy=None,
            feature_dim=described.feature_dim, images_per_s=100.0, seconds=10.0, device="cpu",
        )  # fmt: skip
        config = PretrainConfig(epochs=LAST_EPOCH).model_dump(mode="json")
        made = Artefact(key, sha256_of(self.folder / key), described.model_dump(mode="json"))
        job = self._settled(
            store.Submission(Kind.PRETRAIN, self.dataset, config, name="SimCLR"), Succeeded(result, made)
        )
        with self.catalogue.reading() as session:
            encoder = session.query(EncoderRow).filter_by(job_id=job).one().id
        return job, encoder

    def epoch(self, job: str, epoch: int) -> str:
        """The id of the encoder that a pretraining kept of an epoch."""
        key = f"jobs/played/epoch-{epoch:06d}.safetensors"
        described = self._network(key, seed=epoch)
        more = {"run_id": job, "step": epoch * STEPS_AN_EPOCH, "epoch": epoch, "listed": False}
        return self._encoder(key, f"SimCLR, epoch {epoch}", described, **more)

    def pixels(self) -> str:
        """The id of the encoder that compares pixels."""
        key = f"encoders/pixels-{self.dataset}.safetensors"
        described = pixels_encoder(image_facts(self.images), self._place(key))
        return self._encoder(key, "Pixels of factors", described)

    def embed(self, encoder: str) -> None:
        """Let an encoder look at every image."""
        with self.catalogue.reading() as session:
            row = session.get_one(EncoderRow, encoder)
        key = f"jobs/embedded-{encoder}"
        run = Run(self.folder / key)
        result = embed(EmbedConfig(), self.folder / row.key, self.images, run)
        made = Artefact(f"{key}/{run.features.name}", sha256_of(run.features))
        asked = store.Submission(Kind.EMBED, self.dataset, EmbedConfig().model_dump(mode="json"), encoder)
        self._settled(asked, Succeeded(result, made))

    def _network(self, key: str, seed: int) -> EncoderFile:
        facts, config = image_facts(self.images), PretrainConfig(encoder=EncoderConfig(width=8), projection_dim=16)
        encoder = seeded(config.encoder, facts.channels, seed)
        head = build_head(config, encoder.feature_dim)
        file = EncoderFile(
            **facts.model_dump(), origin="pretrained", architecture=config.encoder, feature_dim=encoder.feature_dim,
            projection=projection_of(config),
        )  # fmt: skip
        save_encoder(self._place(key), encoder, file, head)
        return file

    def _place(self, key: str) -> Path:
        path = self.folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def _encoder(self, key: str, name: str, described: EncoderFile, **more: Any) -> str:
        row = EncoderRow(
            name=name, origin=described.origin, key=key, sha256=sha256_of(self.folder / key),
            description=described.model_dump(mode="json"), dataset_id=self.dataset, created_at=time.time(), **more,
        )  # fmt: skip
        with self.catalogue.writing() as session:
            session.add(row)
            session.flush()
            return row.id

    def _settled(self, asked: store.Submission, outcome: Outcome) -> str:
        with self.catalogue.writing() as session:
            job = store.submit(session, replace(asked, priority=1)).id  # before whatever waits there
            claim = store.claim(session, "player")
            assert claim
            assert store.settle(session, job, claim.epoch, outcome)
        return job
