"""Does pretraining learn anything? Brief trainings on real images against the untrained network they start from.

Half as wide as the recipes of ``benchmarks.learning``, and shorter. Those at full length are in docs/LOG.md.
"""

from pathlib import Path
from statistics import fmean

import pytest

from benchmarks.learning import RECIPES, learn, some_of
from simclr.config import PretrainConfig
from simclr.datasets import Dataset, open_dataset
from tests.simclr.conftest import SHARED_DATA

pytestmark = pytest.mark.slow

SEEDS = (0, 1, 2)


def brief(name: str, epochs: int, seed: int) -> PretrainConfig:
    usual = RECIPES[name].config
    narrow = usual.encoder.model_copy(update={"width": 8})
    return usual.model_copy(update={"encoder": narrow, "epochs": epochs, "knn_every": epochs, "seed": seed})


def assert_gains(
    name: str, epochs: int, dataset: Dataset, folder: Path, margins: dict[str, float], measure: str = "accuracy"
) -> None:
    """On test, by strategy, the pretrained encoder has more by ``margins`` than the network it started from.

    Both with the first seed and as a mean over SEEDS.
    """
    gained: dict[str, list[float]] = {how: [] for how in margins}
    for seed in SEEDS:
        found = learn(brief(name, epochs, seed), dataset, folder / str(seed), beside=["untrained"])
        for how in margins:
            trained, untrained = (found[f"{start} {how}"].scores[1] for start in ("trained", "untrained"))
            gained[how].append(getattr(trained, measure) - getattr(untrained, measure))
    for how, margin in margins.items():
        assert gained[how][0] > margin, (how, gained)
        assert fmean(gained[how]) > margin, (how, gained)


def test_a_brief_pretraining_on_digits_raises_accuracy(tmp_path: Path) -> None:
    """Measured, as means: 0.140 by k-NN and 0.113 by a linear probe."""
    images = RECIPES["digits"].load(Path())
    assert_gains("digits", 12, images, tmp_path, {"knn": 0.10, "linear_probe": 0.08})


def test_a_brief_pretraining_on_chest_x_rays_raises_the_auc(tmp_path: Path) -> None:
    """Measured, as means: 0.056 by k-NN and 0.019 by a linear probe."""
    source = SHARED_DATA / "pneumoniamnist.npz"
    if not source.exists():
        pytest.skip(f"{source} is not here: it is not shipped with the program")
    images = RECIPES["PneumoniaMNIST"].load(source)
    assert_gains("PneumoniaMNIST", 4, images, tmp_path, {"knn": 0.03, "linear_probe": 0.01}, "auc")


def test_a_brief_pretraining_on_photographs_raises_accuracy_by_five_points(tmp_path: Path, cifar10: Path) -> None:
    """Measured, as means: 0.082 by k-NN and 0.075 by a linear probe."""
    some = some_of(open_dataset(cifar10), {"train": 2_000, "val": 500, "test": 1_000})
    assert_gains("CIFAR-10", 6, some, tmp_path, {"knn": 0.05, "linear_probe": 0.05})
