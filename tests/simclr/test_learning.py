"""Does pretraining learn anything? Short trainings on real images against the untrained network they start from."""

from pathlib import Path

import pytest

from simclr.config import AugmentConfig, EncoderConfig, LinearProbeConfig, PretrainConfig
from simclr.datasets import Dataset
from simclr.encoders import image_facts, untrained_encoder
from simclr.events import never
from simclr.pretrain import pretrain
from simclr.results import Score
from simclr.runs import Run
from simclr.transfer import transfer
from tests.simclr.conftest import SHARED_DATA, Heard

pytestmark = pytest.mark.slow


def probe(encoder: Path, dataset: Dataset, folder: Path) -> Score:
    return transfer(LinearProbeConfig(), encoder, dataset, Run(folder), lambda _event: None, never).scores[1]


def test_a_short_pretraining_on_digits_raises_knn_accuracy_by_five_points(tmp_path: Path) -> None:
    """Seeds 0, 1 and 2 gave 9.8, 9.1 and 7.0 points."""
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
    assert trained.knn_accuracy > untrained.knn_accuracy + 0.05
    assert result.loss < result.chance - 1


def test_a_short_pretraining_on_chest_x_rays_raises_the_linear_auc(tmp_path: Path) -> None:
    """By 0.01 at least; seeds 0, 1 and 2 gave 0.017, 0.042 and 0.054."""
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
    pretrain(config, dataset, Run(tmp_path / "run"), lambda _event: None, never)
    untrained_encoder(config.encoder, image_facts(dataset), config.seed, tmp_path / "untrained.safetensors")
    trained = probe(Run(tmp_path / "run").encoder, dataset, tmp_path / "a")
    untrained = probe(tmp_path / "untrained.safetensors", dataset, tmp_path / "b")
    assert trained.auc is not None
    assert untrained.auc is not None
    assert trained.auc > untrained.auc + 0.01
