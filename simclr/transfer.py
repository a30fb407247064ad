"""What an encoder is worth on labels: k-NN, a linear probe or fine-tuning, chosen on validation, test split read once."""

import time
from pathlib import Path

import torch
from pydantic import BaseModel

from simclr.config import FineTuneConfig, KnnConfig, LinearProbeConfig
from simclr.datasets.store import Dataset, content_hash
from simclr.device import choose_device
from simclr.encoders import EncoderFile, load_encoder, load_head
from simclr.events import Emit, Log, ShouldStop, Stopped, ignore, never
from simclr.feature_cache import FeatureCache
from simclr.fine_tune import fine_tune
from simclr.frozen import knn, linear_probe
from simclr.labelled import Labelled
from simclr.predictions import HeldOut, Predictions, write_predictions
from simclr.results import TransferResult
from simclr.resume import Cadence, Keeper, Saved, read_training
from simclr.runs import Run, made_by, sha256_of
from simclr.score_sheet import score_sheet
from simclr.subject import Classifier, Learned, Subject

SPLITS: tuple[HeldOut, ...] = ("val", "test")


def transfer(
    config: KnnConfig | LinearProbeConfig | FineTuneConfig,
    encoder: Path,
    dataset: Dataset,
    run: Run,
    emit: Emit = ignore,
    should_stop: ShouldStop = never,
    *,
    resume: Path | None = None,
    cadence: Cadence = Cadence(),
    cache: FeatureCache | None = None,
) -> TransferResult:
    """Classify the images of ``dataset`` with what the encoder has learned, and score validation and test.

    Args:
        config: Which strategy, and its choices.
        encoder: The encoder's file.
        dataset: Images with labels in every split.
        run: Where to write.
        emit: Told how it goes.
        should_stop: Asked before every step.
        resume: A checkpoint of a fine-tuning to go on from, as in ``pretrain``; the other strategies leave none.
        cadence: When a fine-tuning writes checkpoints into ``run``.
        cache: Where features of frozen encoders are kept between transfers.

    Raises:
        ValueError: the encoder cannot be loaded, or has not what the config asks for; a split has no labelled images; a class
            has no training image, or fewer than shots; ``resume`` does not fit; or the loss became NaN.
        OutOfMemory: which batch size of a fine-tuning fits.
        Stopped: ``should_stop`` said so; no result was written.
        OSError: the disk is full; earlier checkpoints are whole.
    """
    model, file = load_encoder(encoder)
    labelled = Labelled.of(dataset, config.labels)
    device = choose_device()
    began = time.monotonic()
    hashes = {"dataset": content_hash(dataset), "encoder": sha256_of(encoder)}
    facts = {"kind": "transfer", **hashes}
    saved = _saved(config, resume, facts)
    if saved is not None:
        facts["resumed"] = sha256_of(saved.path)
    run.begin(config, **facts)
    for sentence in (device.reason, *_adapted(dataset, file), *labelled.notes()):
        emit(Log(message=sentence))
    head = load_head(encoder, file)
    subject = Subject(
        model.to(device.device).to(memory_format=torch.channels_last),
        file,
        head.to(device.device) if head is not None else None,
        labelled,
        device,
        hashes["dataset"],
        hashes["encoder"],
        cache,
        emit,
        should_stop,
    )
    versions = made_by()
    keeper = Keeper(run, config, facts | {"device": device.name, **versions}, emit, cadence)
    learned = _learn(config, subject, keeper, saved)
    predicted = {split: _predictions(learned.classify, labelled, split) for split in SPLITS}
    sheets = [score_sheet(split, p.probabilities, p.labels, dataset.classes) for split, p in predicted.items()]
    if should_stop():
        raise Stopped("stopped on request before the result was written")
    write_predictions(run.predictions, predicted)
    result = TransferResult(
        strategy=config.strategy,
        scores=[score for score, _ in sheets],
        chance=labelled.chance,
        seconds=time.monotonic() - began,
        chosen=learned.chosen,
        details=[details for _, details in sheets],
        labels_used=len(labelled.indices["train"]),
        images_seen=learned.images_seen,
        curve=learned.curve,
        device=device.name,
        versions=versions,
    )
    run.finish(result)
    return result


def _learn(
    config: KnnConfig | LinearProbeConfig | FineTuneConfig, subject: Subject, keeper: Keeper, saved: Saved | None
) -> Learned:
    match config:
        case KnnConfig():
            return knn(config, subject)
        case LinearProbeConfig():
            return linear_probe(config, subject)
        case FineTuneConfig():
            return fine_tune(config, subject, keeper, saved)


def _saved(config: BaseModel, resume: Path | None, facts: dict[str, str]) -> Saved | None:
    if resume is None:
        return None
    if not isinstance(config, FineTuneConfig):
        raise ValueError("only fine-tuning leaves checkpoints to go on from: begin anew")
    saved = read_training(resume)
    saved.check(config, **facts)
    return saved


def _adapted(dataset: Dataset, file: EncoderFile) -> list[str]:
    """A sentence on how images are made to fit the encoder, where they do not."""
    has, wants = (dataset.image_size, dataset.channels), (file.image_size, file.channels)
    if has == wants:
        return []
    steps = []
    if has[1] != wants[1]:
        steps.append("repeated in three channels" if wants[1] == 3 else "turned to grey")
    if has[0] != wants[0]:
        steps.append(f"{'enlarged' if wants[0] > has[0] else 'reduced'} to {wants[0]} px")
    return [f"The encoder expects other images: those of {has[0]} px are {' and '.join(steps)} for it."]


def _predictions(classify: Classifier, labelled: Labelled, split: HeldOut) -> Predictions:
    return Predictions(labelled.indices[split], labelled.labels(split), classify(split))
