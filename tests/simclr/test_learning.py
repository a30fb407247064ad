"""Does pretraining learn anything? Brief trainings on real images against the untrained network they start from.

Half as wide as the recipes of ``benchmarks.learning``, and shorter. Those at full length, over three seeds, are in docs/LOG.md.
"""

from pathlib import Path

import pytest

from benchmarks.learning import RECIPES, learn, some_of
from simclr.config import PretrainConfig
from simclr.datasets import Dataset, open_dataset
from simclr.results import Score
from tests.simclr.conftest import SHARED_DATA

pytestmark = pytest.mark.slow


def brief(name: str, epochs: int, seed: int) -> PretrainConfig:
    usual = RECIPES[name].config
    narrow = usual.encoder.model_copy(update={"width": 8})
    return usual.model_copy(update={"encoder": narrow, "epochs": epochs, "knn_every": epochs, "seed": seed})


def scores(config: PretrainConfig, dataset: Dataset, folder: Path) -> dict[str, tuple[Score, Score]]:
    """On test by strategy: after pretraining, and of the network it started from."""
    found = learn(config, dataset, folder, beside=["untrained"])
    return {
        how: (found[f"trained {how}"].scores[1], found[f"untrained {how}"].scores[1]) for how in ("knn", "linear_probe")
    }


def test_a_brief_pretraining_on_digits_raises_accuracy(tmp_path: Path) -> None:
    """Seeds 0, 1 and 2 gave 0.131, 0.162 and 0.139 more by k-NN, and 0.125, 0.092 and 0.100 by a linear probe."""
    found = scores(brief("digits", 12, seed=0), RECIPES["digits"].load(Path()), tmp_path)
    for how, margin in (("knn", 0.10), ("linear_probe", 0.08)):
        trained, untrained = found[how]
        assert trained.accuracy > untrained.accuracy + margin, how


def test_a_brief_pretraining_on_chest_x_rays_raises_the_auc(tmp_path: Path) -> None:
    """Seeds 0, 1 and 2 gave 0.051, 0.096 and 0.049 more by k-NN, and 0.021, 0.038 and -0.004 by a linear probe."""
    source = SHARED_DATA / "pneumoniamnist.npz"
    if not source.exists():
        pytest.skip(f"{source} is not here: it is not shipped with the program")
    found = scores(brief("PneumoniaMNIST", 4, seed=0), RECIPES["PneumoniaMNIST"].load(source), tmp_path)
    for how, margin in (("knn", 0.03), ("linear_probe", 0.01)):
        trained, untrained = (score.auc for score in found[how])
        assert trained is not None
        assert untrained is not None
        assert trained > untrained + margin, how


def test_a_brief_pretraining_on_photographs_raises_accuracy_by_five_points(tmp_path: Path, cifar10: Path) -> None:
    """Seeds 0, 1 and 2 gave 0.085, 0.066 and 0.080 more by k-NN, and 0.085, 0.069 and 0.048 by a linear probe."""
    some = some_of(open_dataset(cifar10), {"train": 2_000, "val": 500, "test": 1_000})
    for how, (trained, untrained) in scores(brief("CIFAR-10", 6, seed=0), some, tmp_path).items():
        assert trained.accuracy > untrained.accuracy + 0.05, how
