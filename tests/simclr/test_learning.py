"""Does pretraining learn anything? Short trainings on real images against the untrained network they start from."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from simclr.config import AugmentConfig, EncoderConfig, KnnConfig, LinearProbeConfig, PretrainConfig
from simclr.datasets import Dataset
from simclr.datasets.archive import import_archive
from simclr.encoders import image_facts, untrained_encoder
from simclr.events import ignore, never
from simclr.pretrain import pretrain
from simclr.results import Score
from simclr.runs import Run
from simclr.transfer import transfer
from tests.simclr.conftest import SHARED_DATA, Heard

pytestmark = pytest.mark.slow


def probe(encoder: Path, dataset: Dataset, folder: Path) -> Score:
    return transfer(LinearProbeConfig(), encoder, dataset, Run(folder), ignore, never).scores[1]


def knn(encoder: Path, dataset: Dataset, folder: Path) -> Score:
    return transfer(KnnConfig(), encoder, dataset, Run(folder), ignore, never).scores[1]


def test_a_short_pretraining_on_digits_raises_knn_accuracy_by_eight_points(tmp_path: Path) -> None:
    """Seeds 0, 1 and 2 gave 14.7, 17.5 and 11.9 points."""
    from simclr.datasets.digits import digits

    heard = Heard()
    config = PretrainConfig(
        epochs=30,
        batch_size=128,
        encoder=EncoderConfig(width=16, stem="small"),
        augment=AugmentConfig(crop_scale_min=0.4, flip_p=0.0, jitter_strength=0.5),
        knn_every=30,
    )
    result = pretrain(config, digits(), Run(tmp_path), heard, never)
    untrained, trained = heard.evaluations
    assert trained.knn_accuracy > untrained.knn_accuracy + 0.08
    assert result.loss < result.chance - 1


def test_a_short_pretraining_on_chest_x_rays_raises_the_linear_auc(tmp_path: Path) -> None:
    """By 0.01 at least; seeds 0, 1 and 2 gave 0.056, 0.039 and -0.002: on these images a gain is not certain."""
    source = SHARED_DATA / "pneumoniamnist.npz"
    if not source.exists():
        pytest.skip(f"{source} is not here: it is not shipped with the program")
    from simclr.datasets.npz import import_npz

    dataset = import_npz(source)
    config = PretrainConfig(
        epochs=6,
        batch_size=128,
        encoder=EncoderConfig(width=16),
        augment=AugmentConfig(crop_scale_min=0.3, jitter_strength=0.8),
        knn_every=6,
    )
    pretrain(config, dataset, Run(tmp_path / "run"), ignore, never)
    untrained_encoder(config.encoder, image_facts(dataset), config.seed, tmp_path / "untrained.safetensors")
    trained = probe(Run(tmp_path / "run").encoder, dataset, tmp_path / "a")
    untrained = probe(tmp_path / "untrained.safetensors", dataset, tmp_path / "b")
    assert trained.auc is not None
    assert untrained.auc is not None
    assert trained.auc > untrained.auc + 0.01


def test_a_short_pretraining_on_photographs_raises_knn_accuracy_by_eight_points(tmp_path: Path) -> None:
    """5,000 images of CIFAR-10; seeds 0, 1 and 2 gave 17.2, 13.0 and 12.5 points."""
    source = SHARED_DATA / "cifar10.zip"
    if not source.exists():
        pytest.skip(f"{source} is not here: it is not shipped with the program")
    dataset = first_of_each_split(
        import_archive(source, scratch=tmp_path / "pixels"), train=5_000, val=1_000, test=1_000
    )
    config = PretrainConfig(epochs=6, knn_every=6)
    pretrain(config, dataset, Run(tmp_path / "run"), ignore, never)
    untrained_encoder(config.encoder, image_facts(dataset), config.seed, tmp_path / "untrained.safetensors")
    trained = knn(Run(tmp_path / "run").encoder, dataset, tmp_path / "a")
    untrained = knn(tmp_path / "untrained.safetensors", dataset, tmp_path / "b")
    assert trained.accuracy > untrained.accuracy + 0.08


def first_of_each_split(dataset: Dataset, **counts: int) -> Dataset:
    """A smaller set of the images that a fixed shuffle puts first; classes lie one after the other in an archive."""
    random = np.random.default_rng(0)
    chosen = np.concatenate([random.permutation(dataset.indices(split))[:n] for split, n in counts.items()])
    arrays = {name: getattr(dataset, name)[chosen] for name in ("images", "labels", "splits")}
    return dataclasses.replace(dataset, **arrays)
