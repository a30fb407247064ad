"""Do neighbours of a trained encoder share the class more often than those of an untrained one, and of raw pixels?

    python -m benchmarks.retrieval --data FOLDER --out runs/learning

Each image of a sample of the test split looks for its nearest among all others of that split: CIFAR-10's where FOLDER holds
``cifar10.zip``, else the digits'. The encoder is that of ``benchmarks.learning``, seed 0, and is trained where the out folder has
none yet.
"""

import argparse
import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from benchmarks.learning import RECIPES, SEEDS, some_of
from simclr.datasets import Dataset
from simclr.datasets.archive import import_archive
from simclr.encoders import image_facts, load_encoder, pixels_encoder, untrained_encoder
from simclr.encoding import encode_images
from simclr.pretrain import pretrain
from simclr.retrieval import Retrieval, retrieval
from simclr.runs import Run, made_by

RESULTS = Path("retrieval.json")
QUERIES = 2_000
PHOTOGRAPHS = "CIFAR-10"


def judged(encoder: Path, dataset: Dataset) -> Retrieval:
    """Of images of the test split, among the others of it."""
    model, file = load_encoder(encoder)
    gallery = dataset.indices("test", labelled=True)
    features = encode_images(model, file, dataset.images[gallery]).numpy()
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    positions = np.arange(len(gallery))
    queries = np.random.default_rng(0).permutation(positions)[:QUERIES]
    return retrieval(features, dataset.labels[gallery], queries, positions)


def compare(name: str, whole: Dataset, train_on: Dataset, folder: Path) -> dict[str, Retrieval]:
    """By encoder; what ``folder`` has is not trained again."""
    config = RECIPES[name].config.model_copy(update={"seed": SEEDS[0]})
    trained = Run(folder / name / str(SEEDS[0]) / "pretraining")
    if not trained.is_complete:
        pretrain(config, train_on, trained)
    with tempfile.TemporaryDirectory() as scratch:
        untrained, pixels = (Path(scratch) / f"{kind}.safetensors" for kind in ("untrained", "pixels"))
        untrained_encoder(config.encoder, image_facts(train_on), config.seed, untrained)
        pixels_encoder(image_facts(train_on), pixels)
        paths = {"trained": trained.encoder, "untrained": untrained, "raw pixels": pixels}
        return {kind: judged(path, whole) for kind, path in paths.items()}


def lines(name: str, found: dict[str, Retrieval]) -> list[str]:
    """A line for each encoder: precision at 1 and 10, and mean average precision, with intervals."""
    first = next(iter(found.values()))
    shown = [f"{name}, test, {first.queries} queries among {first.gallery}, by chance {first.chance:.3f}"]
    for kind, each in found.items():
        measures = {
            "precision@1": each.precision[1],
            "precision@10": each.precision[10],
            "mAP": each.mean_average_precision,
        }
        told = "   ".join(
            f"{measure} {mean.value:.3f} ({mean.low:.3f} to {mean.high:.3f})" for measure, mean in measures.items()
        )
        shown.append(f"  {kind:<12} {told}")
    return shown


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, default=Path(), help="folder that may hold cifar10.zip")
    parser.add_argument("--out", type=Path, default=Path("learning"), help="folder for the run")
    given = parser.parse_args(arguments)
    source = given.data / str(RECIPES[PHOTOGRAPHS].file)
    with tempfile.TemporaryDirectory() as scratch:
        if source.exists():
            name, whole = PHOTOGRAPHS, import_archive(source, scratch=Path(scratch) / "pixels")
            found = compare(name, whole, some_of(whole), given.out)
        else:
            name, whole = "digits", RECIPES["digits"].load(source)
            found = compare(name, whole, whole, given.out)
    print(*lines(name, found), sep="\n", flush=True)
    kept = {kind: asdict(each) for kind, each in found.items()}
    RESULTS.write_text(
        json.dumps({"made_by": made_by(), "set": name, "found": kept}, indent=2) + "\n", encoding="utf-8"
    )
    print(f"written to {RESULTS}")


if __name__ == "__main__":
    main()
