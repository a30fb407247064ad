"""Does pretraining learn anything? Short trainings on real images against the untrained network they start from.

The recipes are those of ``benchmarks.learning``, whose figures are in docs/LOG.md.
"""

from pathlib import Path

import pytest

from benchmarks.learning import RECIPES, SEEDS, learn
from simclr.datasets import Dataset
from simclr.results import Score
from tests.simclr.conftest import SHARED_DATA

pytestmark = pytest.mark.slow


def scores(
    name: str, dataset: Dataset, seed: int, folder: Path, epochs: int | None = None
) -> dict[str, tuple[Score, Score]]:
    """On test by strategy: after pretraining, and of the network it started from; ``epochs``, where not the recipe's."""
    config = RECIPES[name].config.model_copy(update={"seed": seed} | ({"epochs": epochs} if epochs else {}))
    found = learn(config, dataset, folder / str(seed), beside=["untrained"])
    return {
        how: (found[f"trained {how}"].scores[1], found[f"untrained {how}"].scores[1]) for how in ("knn", "linear_probe")
    }


def images_of(name: str) -> Dataset:
    recipe = RECIPES[name]
    source = SHARED_DATA / (recipe.file or "")
    if recipe.file is not None and not source.exists():
        pytest.skip(f"{source} is not here: it is not shipped with the program")
    return recipe.load(source)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_short_pretraining_on_digits_raises_accuracy(tmp_path: Path, seed: int) -> None:
    """By seven points with k-NN, which gained 10 to 13 over three seeds, and three with a linear probe, which gained 5 to 8."""
    found = scores("digits", images_of("digits"), seed, tmp_path)
    for how, margin in (("knn", 0.07), ("linear_probe", 0.03)):
        trained, untrained = found[how]
        assert trained.accuracy > untrained.accuracy + margin, how


def test_a_short_pretraining_on_chest_x_rays_raises_the_auc(tmp_path: Path) -> None:
    """Seed 0, which gained 0.078 by k-NN and 0.052 by a linear probe; of the others one gained nothing by a probe."""
    found = scores("PneumoniaMNIST", images_of("PneumoniaMNIST"), 0, tmp_path)
    for how, margin in (("knn", 0.04), ("linear_probe", 0.02)):
        trained, untrained = found[how]
        assert trained.auc is not None
        assert untrained.auc is not None
        assert trained.auc > untrained.auc + margin, how


def test_a_short_pretraining_on_photographs_raises_accuracy(tmp_path: Path) -> None:
    """5,000 images of CIFAR-10, seed 0, half the epochs of docs/LOG.md: gained 13 points with k-NN and 11 with a probe."""
    for how, (trained, untrained) in scores("CIFAR-10", images_of("CIFAR-10"), 0, tmp_path, epochs=3).items():
        assert trained.accuracy > untrained.accuracy + 0.06, how
