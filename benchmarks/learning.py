"""What is learned, over three seeds: k-NN and a linear probe after short pretrainings, beside untrained networks and raw pixels.

    python -m benchmarks.learning --data FOLDER --out runs/learning

FOLDER may hold ``pneumoniamnist.npz`` and ``cifar10.zip``; sets whose file is missing are left out. What is finished in the out
folder is not done again, and a training that was interrupted goes on, so it may be run in pieces (``--seconds``).
"""

import argparse
import dataclasses
import json
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from simclr.config import AugmentConfig, EncoderConfig, KnnConfig, LinearProbeConfig, PretrainConfig
from simclr.datasets import BUILTIN, Dataset
from simclr.datasets.archive import import_archive
from simclr.datasets.npz import import_npz
from simclr.datasets.store import Split
from simclr.encoders import image_facts, pixels_encoder, untrained_encoder
from simclr.events import ShouldStop, Stopped, ignore, never
from simclr.presets import pretrain_preset
from simclr.pretrain import pretrain
from simclr.results import TransferResult
from simclr.resume import keeping_few
from simclr.runs import Run, made_by
from simclr.transfer import transfer

RESULTS = Path("learning.json")
SEEDS = (0, 1, 2)
HOW = (KnnConfig(), LinearProbeConfig())
SOME: Mapping[Split, int] = {"train": 5_000, "val": 1_000, "test": 1_000}  # of CIFAR-10's images


@dataclass(frozen=True)
class Recipe:
    """A set, how it is trained on, and the file that it is read from, where it is not built in."""

    config: PretrainConfig
    load: Callable[[Path], Dataset]
    file: str | None = None


def photographs(source: Path) -> Dataset:
    """Some of CIFAR-10's archive."""
    with tempfile.TemporaryDirectory() as folder:
        return some_of(import_archive(source, scratch=Path(folder) / "pixels"))


def some_of(whole: Dataset, counts: Mapping[Split, int] = SOME) -> Dataset:
    """So many images of each split: those that a fixed shuffle puts first."""
    random = np.random.default_rng(0)
    chosen = np.concatenate([random.permutation(whole.indices(split))[:n] for split, n in counts.items()])
    arrays = {name: getattr(whole, name)[chosen] for name in ("images", "labels", "splits")}
    return dataclasses.replace(whole, **arrays)


# Looked at before the first epoch and after the last alone.
RECIPES = {
    "digits": Recipe(
        PretrainConfig(
            epochs=30,
            batch_size=128,
            encoder=EncoderConfig(width=16, stem="small"),
            augment=AugmentConfig(crop_scale_min=0.4, flip_p=0.0, jitter_strength=0.5),
            knn_every=30,
        ),
        lambda _: BUILTIN["digits"](),
    ),
    "patterns": Recipe(pretrain_preset("quick-cpu"), lambda _: BUILTIN["patterns"]()),
    "PneumoniaMNIST": Recipe(
        PretrainConfig(
            epochs=6,
            batch_size=128,
            encoder=EncoderConfig(width=16),
            augment=AugmentConfig(crop_scale_min=0.3, jitter_strength=0.8),
            knn_every=6,
        ),
        import_npz,
        "pneumoniamnist.npz",
    ),
    "CIFAR-10": Recipe(PretrainConfig(epochs=6, knn_every=6), photographs, "cifar10.zip"),
}


def learn(
    config: PretrainConfig,
    dataset: Dataset,
    folder: Path,
    should_stop: ShouldStop = never,
    *,
    beside: Sequence[str] = ("untrained", "pixels"),
) -> dict[str, TransferResult]:
    """Scores by encoder and strategy, such as "trained knn", of what was trained and of ``beside``.

    What ``folder`` has is not done again.

    Raises:
        Stopped: ``should_stop`` said so; the next call goes on.
    """
    trained = Run(folder / "pretraining")
    if not trained.is_complete:
        begun = trained.checkpoints()
        emit = keeping_few(ignore, trained)
        pretrain(config, dataset, trained, emit, should_stop, resume=begun[-1] if begun else None)
    paths = {"untrained": folder / "untrained.safetensors", "pixels": folder / "pixels.safetensors"}
    untrained_encoder(config.encoder, image_facts(dataset), config.seed, paths["untrained"])
    pixels_encoder(image_facts(dataset), paths["pixels"])
    found = {}
    for name, encoder in (("trained", trained.encoder), *((name, paths[name]) for name in beside)):
        for how in HOW:
            run = Run(folder / f"{name} {how.strategy}")
            if not run.is_complete:
                transfer(how, encoder, dataset, run, ignore, should_stop)
            found[run.path.name] = TransferResult.model_validate_json((run.path / "result.json").read_text())
    return found


def lines(name: str, by_seed: Sequence[dict[str, TransferResult]]) -> list[str]:
    """A line for each score on test, with a figure for every seed that has it and their mean."""
    shown = [f"{name}, test, n = {by_seed[0]['trained knn'].scores[1].n}, seed by seed"]
    for what in by_seed[0]:
        scores = [results[what].scores[1] for results in by_seed if what in results]
        for measure in ("accuracy", "auc"):
            figures = [getattr(score, measure) for score in scores]
            if None not in figures:
                told = " ".join(f"{figure:.3f}" for figure in figures)
                shown.append(f"  {what:<24} {measure:<9} {told}   mean {np.mean(figures):.3f}")
    return shown


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("sets", nargs="*", default=list(RECIPES), help=f"{', '.join(RECIPES)}; all by default")
    parser.add_argument("--data", type=Path, default=Path(), help="folder with the files that are not built in")
    parser.add_argument("--out", type=Path, default=Path("learning"), help="folder for the runs")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after so long; call again to go on")
    given = parser.parse_args(arguments)
    began, kept = time.monotonic(), {}

    def is_over() -> bool:
        return time.monotonic() - began > float(given.seconds)

    for name in given.sets:
        recipe = RECIPES[name]
        source = given.data / (recipe.file or "")
        if not source.exists():
            print(f"{name} is left out: no {source}")
            continue
        dataset = recipe.load(source)
        by_seed = []
        for seed in SEEDS:
            config = recipe.config.model_copy(update={"seed": seed})
            # Pixels are the same for every seed.
            beside = ("untrained", "pixels") if seed == SEEDS[0] else ("untrained",)
            try:
                by_seed.append(learn(config, dataset, given.out / name / str(seed), is_over, beside=beside))
            except Stopped:
                print(f"{name}, seed {seed}: to go on, give the same command again")
                return
            print(f"{name}, seed {seed}: done", flush=True)
        print(*lines(name, by_seed), sep="\n", flush=True)
        kept[name] = [{what: result.model_dump() for what, result in results.items()} for results in by_seed]
    RESULTS.write_text(json.dumps({"made_by": made_by(), "sets": kept}, indent=2) + "\n", encoding="utf-8")
    print(f"written to {RESULTS}")


if __name__ == "__main__":
    main()
