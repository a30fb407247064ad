"""Which L2 strength a linear probe wants: scores at every strength from 100 to 1e-7, by encoder, set and amount of labels.

    python -m benchmarks.strengths --data FOLDER --out runs/learning

Trained encoders are those of ``benchmarks.learning`` in the out folder, which makes them where they are missing.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.learning import RECIPES, SEEDS
from simclr.config import LabelsConfig
from simclr.datasets import Dataset
from simclr.datasets.store import SPLITS
from simclr.encoders import image_facts, load_encoder, pixels_encoder, prepare, untrained_encoder
from simclr.events import ignore
from simclr.frozen import L2_GRID, WEAKEST_L2
from simclr.labelled import Labelled
from simclr.metrics import accuracy, roc_auc
from simclr.pretrain import pretrain
from simclr.probe import LogisticRegression, Standard
from simclr.runs import Run

STRENGTHS = tuple(10.0**power for power in range(2, -8, -1))
AMOUNTS = {"all labels": LabelsConfig(), "10 %": LabelsConfig(fraction=0.1), "10 a class": LabelsConfig(shots=10)}
ITERATIONS = 300
NARROW = 1e-4  # the weakest of the range that is compared with


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("sets", nargs="*", default=["digits", "PneumoniaMNIST"])
    parser.add_argument("--data", type=Path, default=Path(), help="folder with the files that are not built in")
    parser.add_argument("--out", type=Path, default=Path("learning"), help="folder of the encoders")
    given = parser.parse_args(arguments)
    for name in given.sets:
        recipe = RECIPES[name]
        dataset = recipe.load(given.data / (recipe.file or ""))
        for seed in SEEDS:
            folder = given.out / name / str(seed)
            trained = Run(folder / "pretraining")
            if not trained.is_complete:
                pretrain(recipe.config.model_copy(update={"seed": seed}), dataset, trained, ignore)
            untrained_encoder(recipe.config.encoder, image_facts(dataset), seed, folder / "untrained.safetensors")
            pixels_encoder(image_facts(dataset), folder / "pixels.safetensors")
            paths = {
                "trained": trained.encoder,
                **{kind: folder / f"{kind}.safetensors" for kind in ("untrained", "pixels")},
            }
            for kind, path in paths.items():
                features = encoded(path, dataset)
                for amount, labels in AMOUNTS.items():
                    print(
                        "\n".join(lines(f"{name}, {kind}, {amount}, seed {seed}", features, dataset, labels)),
                        flush=True,
                    )


def encoded(path: Path, dataset: Dataset) -> Tensor:
    """Features of every image, float32, shape (N, D)."""
    encoder, file = load_encoder(path)
    with torch.no_grad():
        parts = torch.from_numpy(np.array(dataset.images)).split(512)
        return torch.cat([encoder(prepare(part, file)) for part in parts])


def lines(title: str, features: Tensor, dataset: Dataset, amount: LabelsConfig) -> list[str]:
    """What every strength reaches on validation and on test, and what the two ranges choose."""
    labelled = Labelled.of(dataset, amount)
    parts = {split: features[torch.from_numpy(labelled.indices[split])] for split in SPLITS}
    standard = Standard.of(parts["train"])
    problem = LogisticRegression(
        standard(parts["train"]), torch.from_numpy(labelled.labels("train")), len(dataset.classes)
    )
    found, model = [], None
    for l2 in STRENGTHS:
        model = problem.fit(l2, ITERATIONS, model)
        figures = [
            measure(model.probabilities(standard(parts[split])), labelled.labels(split))
            for split in ("val", "test")
            for measure in (accuracy, roc_auc)
        ]
        found.append((l2, model.iterations, figures))
    wide, narrow = chosen(found, WEAKEST_L2), chosen(found, NARROW)
    shown = [f"{title}: from {L2_GRID[0]:g} to {NARROW:g} {said(narrow)}; on to {WEAKEST_L2:g} {said(wide)}"]
    return [*shown, *(f"    {said(each)}" for each in found)]


Found = tuple[float, int, list[float | None]]


def chosen(found: Sequence[Found], weakest: float) -> Found:
    """As the probe chooses: on validation accuracy, the strongest of equals; weaker than its range only while that gains."""
    tried = [each for each in found if L2_GRID[-1] <= each[0] * 1.01 <= 1.01 * L2_GRID[0] * 1.01]
    best = max(tried, key=lambda each: each[2][0] or 0.0)
    for each in found:
        is_next = each[0] < tried[-1][0] and each[0] > weakest * 0.99
        if is_next and best is tried[-1]:
            tried.append(each)
            best = max(tried, key=lambda other: other[2][0] or 0.0)
    return best


def said(found: Found) -> str:
    l2, iterations, figures = found
    told = " ".join("-" if figure is None else f"{figure:.4f}" for figure in figures)
    return f"L2 {l2:g}: val acc auc, test acc auc {told} ({iterations} steps)"


if __name__ == "__main__":
    main()
