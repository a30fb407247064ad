"""What an encoder is worth on labels: k-NN, a linear probe or fine-tuning, chosen on validation, test split read once."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel
from torch import Tensor, nn

from simclr.config import FineTuneConfig, KnnConfig, LinearProbeConfig
from simclr.datasets.store import Dataset, Split, content_hash
from simclr.device import Device, choose_device
from simclr.embed import EncodingProgress, encode_images
from simclr.encoders import Encoder, EncoderFile, load_encoder
from simclr.events import Emit, Log, Progress, ShouldStop, Stopped, ignore, never
from simclr.fine_tune import fine_tune, probabilities
from simclr.knn import knn_scores
from simclr.metrics import accuracy
from simclr.predictions import HeldOut, Predictions, write_predictions
from simclr.probe import LinearModel, LogisticRegression, Standard
from simclr.results import TransferResult
from simclr.resume import Cadence, Keeper, Saved, read_training
from simclr.runs import Run, made_by, sha256_of
from simclr.score_sheet import score_sheet

# Strengths of the probe's L2 penalty on standardised features, strongest first, so that each solution starts the next.
L2_GRID = (1.0, 1e-1, 1e-2, 1e-3, 1e-4)

# Gives the scores, (N, classes), of a split's labelled images; asked for the test split once, at the end.
Classifier = Callable[[Split], NDArray[np.float32]]


class Subject(NamedTuple):
    """An encoder on its device, what it expects, the labelled set it is tried on, and whom to tell."""

    encoder: nn.Module
    file: EncoderFile
    dataset: Dataset
    device: Device
    emit: Emit
    should_stop: ShouldStop


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
) -> TransferResult:
    """Classify the images of ``dataset`` with what the encoder has learned, and score validation and test.

    ``chance`` in the result is the test accuracy of always answering the class that is commonest in training.

    Args:
        config: Which strategy, and its choices.
        encoder: The encoder's file.
        dataset: Images with labels in every split.
        run: Where to write.
        emit: Told how it goes.
        should_stop: Asked before every step.
        resume: A checkpoint of a fine-tuning to go on from, as in ``pretrain``; the other strategies leave none.
        cadence: When a fine-tuning writes checkpoints into ``run``.

    Raises:
        ValueError: the encoder cannot be loaded or, being raw pixels, fine-tuned; a split has no labelled images; a class
            has no training image; ``resume`` does not fit; or the loss became NaN.
        OutOfMemory: which batch size of a fine-tuning fits.
        Stopped: ``should_stop`` said so; no result was written.
        OSError: the disk is full; earlier checkpoints are whole.
    """
    model, file = load_encoder(encoder)
    _check_labels(dataset)
    device = choose_device()
    began = time.monotonic()
    facts = {"kind": "transfer", "dataset": content_hash(dataset), "encoder": sha256_of(encoder)}
    saved = _saved(config, resume, facts)
    if saved is not None:
        facts["resumed"] = sha256_of(saved.path)
    run.begin(config, **facts)
    emit(Log(message=device.reason))
    model = model.to(device.device).to(memory_format=torch.channels_last)
    subject = Subject(model, file, dataset, device, emit, should_stop)
    match config:
        case KnnConfig():
            classify, chosen = _knn(config, subject)
        case LinearProbeConfig():
            classify, chosen = _linear_probe(config, subject)
        case FineTuneConfig():
            facts |= {"device": device.name, **made_by()}
            classify, chosen = _fine_tune(config, subject, Keeper(run, config, facts, emit, cadence), saved)
    splits: tuple[HeldOut, ...] = ("val", "test")
    predicted = {split: _predictions(classify, dataset, split) for split in splits}
    sheets = [score_sheet(split, p.probabilities, p.labels, dataset.classes) for split, p in predicted.items()]
    if should_stop():
        raise Stopped("stopped on request before the result was written")
    write_predictions(run.predictions, predicted)
    result = TransferResult(
        strategy=config.strategy,
        scores=[score for score, _ in sheets],
        chance=_chance(dataset),
        seconds=time.monotonic() - began,
        chosen=chosen,
        details=[details for _, details in sheets],
        device=device.name,
        versions=made_by(),
    )
    run.finish(result)
    return result


def _knn(config: KnnConfig, subject: Subject) -> tuple[Classifier, dict[str, float]]:
    features = _features(subject)
    labels = torch.from_numpy(_labels(subject.dataset, "train"))

    def classify(split: Split) -> NDArray[np.float32]:
        scores: NDArray[np.float32] = knn_scores(
            features["train"],
            labels,
            features[split],
            classes=len(subject.dataset.classes),
            k=config.k,
            temperature=config.temperature,
        ).numpy()
        return scores

    return classify, {}


def _linear_probe(config: LinearProbeConfig, subject: Subject) -> tuple[Classifier, dict[str, float]]:
    """Logistic regression for every L2 strength; the best on validation is kept, the strongest of equals."""
    features = _features(subject)
    standard = Standard.of(features["train"])
    features = {split: standard(values) for split, values in features.items()}
    problem = LogisticRegression(
        features["train"], torch.from_numpy(_labels(subject.dataset, "train")), len(subject.dataset.classes)
    )

    def stop_when_asked() -> None:
        if subject.should_stop():
            raise Stopped("stopped on request while the probe was being solved")

    best, best_l2, best_accuracy = None, 0.0, -1.0
    model: LinearModel | None = None
    for step, l2 in enumerate(L2_GRID, start=1):
        model = problem.fit(l2, config.max_iterations, model, stop_when_asked)
        reached = accuracy(model.probabilities(features["val"]), _labels(subject.dataset, "val"))
        short = "" if model.iterations < config.max_iterations else "; not converged, raise max_iterations"
        subject.emit(
            Log(message=f"L2 {l2:g}: validation accuracy {reached:.3f} after {model.iterations} steps{short}.")
        )
        subject.emit(Progress(step=step, steps=len(L2_GRID)))
        if reached > best_accuracy:
            best, best_l2, best_accuracy = model, l2, reached
    if best is None:
        raise ValueError("the probe has no strengths to choose from")
    chosen = best
    return lambda split: chosen.probabilities(features[split]), {"l2": best_l2, "iterations": chosen.iterations}


def _saved(config: BaseModel, resume: Path | None, facts: dict[str, str]) -> Saved | None:
    if resume is None:
        return None
    if not isinstance(config, FineTuneConfig):
        raise ValueError("only fine-tuning leaves checkpoints to go on from: begin anew")
    saved = read_training(resume)
    saved.check(config, **facts)
    return saved


def _fine_tune(
    config: FineTuneConfig, subject: Subject, keeper: Keeper, saved: Saved | None
) -> tuple[Classifier, dict[str, float]]:
    if not isinstance(subject.encoder, Encoder):
        raise ValueError(
            "raw pixels have no weights to fine-tune: choose knn or linear_probe, or a pretrained or untrained encoder"
        )
    model, epoch = fine_tune(
        config, subject.encoder, subject.file, subject.dataset, subject.device, subject.emit, subject.should_stop,
        keeper, saved,
    )  # fmt: skip
    model.to(subject.device.device)

    def classify(split: Split) -> NDArray[np.float32]:
        return probabilities(model, subject.file, subject.dataset, subject.dataset.indices(split, labelled=True))

    return classify, {"epoch": epoch}


def _features(subject: Subject) -> dict[Split, Tensor]:
    """Features of every split's labelled images, encoded once; the encoder stays as it is."""
    dataset = subject.dataset
    splits: tuple[Split, ...] = ("train", "val", "test")
    indices = [dataset.indices(split, labelled=True) for split in splits]
    images = dataset.images[np.concatenate(indices)]
    progress = EncodingProgress(len(images), subject.emit, subject.should_stop)
    features = encode_images(subject.encoder, subject.file, images, on_batch=progress)
    if not bool(features.isfinite().all()):
        raise ValueError("the encoder gives features that are not finite: pretrain it again")
    parts = features.split([len(part) for part in indices])  # type: ignore[no-untyped-call]
    return dict(zip(splits, parts, strict=True))


def _predictions(classify: Classifier, dataset: Dataset, split: HeldOut) -> Predictions:
    indices = dataset.indices(split, labelled=True)
    return Predictions(indices, dataset.labels[indices], classify(split))


def _labels(dataset: Dataset, split: Split) -> NDArray[np.int64]:
    return dataset.labels[dataset.indices(split, labelled=True)]


def _chance(dataset: Dataset) -> float:
    commonest = np.bincount(_labels(dataset, "train")).argmax()
    return float((_labels(dataset, "test") == commonest).mean())


def _check_labels(dataset: Dataset) -> None:
    if len(dataset.classes) < 2:
        raise ValueError(
            f"the set has {len(dataset.classes)} classes, but a transfer needs two: "
            "import images in class folders, or with labels"
        )
    for split in ("train", "val", "test"):
        if len(dataset.indices(split, labelled=True)) == 0:
            raise ValueError(
                f"the {split} split has no labelled images: add some, or import the set without {split} images "
                "so that a split is made"
            )
    counts = np.bincount(_labels(dataset, "train"), minlength=len(dataset.classes))
    missing = [name for name, count in zip(dataset.classes, counts, strict=True) if count == 0]
    if missing:
        raise ValueError(
            f"no training image is of class {', '.join(missing)}: add some to train, or leave the class out of val and test"
        )
