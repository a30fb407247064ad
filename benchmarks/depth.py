"""Does fine-tuning beat the linear probe once deeper layers take part? Encoders × depths × three seeds on PneumoniaMNIST.

    python -m benchmarks.depth --data FOLDER --out runs/depth

FOLDER holds ``pneumoniamnist.npz``, and ``cifar10.zip`` for the encoder of photographs, which is left out without it. What is
finished in the out folder is not done again, and a training that was interrupted goes on, so it may be run in pieces
(``--seconds``).
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmarks.learning import RECIPES, SEEDS, photographs
from simclr.config import FineTuneConfig, LinearProbeConfig, PretrainConfig
from simclr.datasets import Dataset
from simclr.datasets.npz import import_npz
from simclr.encoders import image_facts, untrained_encoder
from simclr.events import ShouldStop, Stopped, ignore
from simclr.intervals import student_interval
from simclr.pretrain import pretrain
from simclr.results import TransferResult
from simclr.resume import keeping_few
from simclr.runs import Run, made_by
from simclr.transfer import transfer

RESULTS = Path("depth.json")
OWN = RECIPES["PneumoniaMNIST"].config
# The same network, on another kind of images.
PHOTOGRAPHS = PretrainConfig(epochs=6, knn_every=6, encoder=OWN.encoder)
TUNED = FineTuneConfig(epochs=8)
HALF = 2  # of the network's first layer and three stages, the last
Strategy = LinearProbeConfig | FineTuneConfig


def strategies(seed: int) -> dict[str, Strategy]:
    """From the shallowest to the deepest."""
    return {
        "linear probe": LinearProbeConfig(seed=seed),
        "half fine-tuned": TUNED.model_copy(update={"seed": seed, "unfrozen_blocks": HALF}),
        "fine-tuned": TUNED.model_copy(update={"seed": seed}),
    }


def pretrained(config: PretrainConfig, load: Callable[[], Dataset], run: Run, should_stop: ShouldStop) -> Path:
    """The encoder of a pretraining, which goes on or is there already."""
    if not run.is_complete:
        begun = run.checkpoints()
        pretrain(config, load(), run, keeping_few(ignore, run), should_stop, resume=begun[-1] if begun else None)
    return run.encoder


def encoders(
    data: Path, dataset: Dataset, folder: Path, seed: int, should_stop: ShouldStop
) -> Iterator[tuple[str, Path]]:
    """Every encoder of a seed by name."""
    path = folder / "untrained.safetensors"
    untrained_encoder(OWN.encoder, image_facts(dataset), seed, path)
    yield "untrained", path
    seeded = {"seed": seed}
    yield (
        "SimCLR, X-rays",
        pretrained(OWN.model_copy(update=seeded), lambda: dataset, Run(folder / "X-rays"), should_stop),
    )
    if (data / "cifar10.zip").exists():
        config = PHOTOGRAPHS.model_copy(update=seeded)
        run = Run(folder / "photographs")
        yield "SimCLR, photographs", pretrained(config, lambda: photographs(data / "cifar10.zip"), run, should_stop)


def cells(data: Path, dataset: Dataset, folder: Path, seed: int, should_stop: ShouldStop) -> dict[str, TransferResult]:
    """Results of a seed by encoder and strategy.

    Raises:
        Stopped: ``should_stop`` said so; the next call goes on.
    """
    found = {}
    for name, encoder in encoders(data, dataset, folder, seed, should_stop):
        for how, config in strategies(seed).items():
            run = Run(folder / f"{name}, {how}")
            if not run.is_complete:
                begun = run.checkpoints()
                emit = keeping_few(ignore, run)
                transfer(config, encoder, dataset, run, emit, should_stop, resume=begun[-1] if begun else None)
            found[run.path.name] = TransferResult.model_validate_json((run.path / "result.json").read_text())
    return found


def lines(by_seed: Sequence[dict[str, TransferResult]]) -> list[str]:
    """A line for every cell and split: ROC-AUC seed by seed, the mean with Student's interval, and seconds."""
    shown = []
    for number, split in enumerate(("validation", "test")):
        shown.append(f"ROC-AUC on {split}, n = {next(iter(by_seed[0].values())).scores[number].n}, seed by seed")
        for cell in by_seed[0]:
            areas = [results[cell].scores[number].auc or np.nan for results in by_seed]
            interval = student_interval(areas)
            sure = f" ({interval[0]:.3f} to {interval[1]:.3f})" if interval else ""
            first = by_seed[0][cell].scores[number]
            images = f"{first.auc_low:.3f} to {first.auc_high:.3f}" if first.auc_low is not None else "-"
            seconds = np.mean([results[cell].seconds for results in by_seed])
            told = " ".join(f"{area:.3f}" for area in areas)
            shown.append(
                f"  {cell:<36} {told}   mean {np.mean(areas):.3f}{sure}   over images, first seed {images}   {seconds:.0f} s"
            )
    return shown


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, default=Path(), help="folder with pneumoniamnist.npz and cifar10.zip")
    parser.add_argument("--out", type=Path, default=Path("depth"), help="folder for the runs")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after so long; call again to go on")
    given = parser.parse_args(arguments)
    began = time.monotonic()

    def is_over() -> bool:
        return time.monotonic() - began > float(given.seconds)

    dataset = import_npz(given.data / "pneumoniamnist.npz")
    by_seed = []
    for seed in SEEDS:
        try:
            by_seed.append(cells(given.data, dataset, given.out / str(seed), seed, is_over))
        except Stopped:
            print(f"seed {seed}: to go on, give the same command again")
            return
        print(f"seed {seed}: done after {time.monotonic() - began:.0f} s", flush=True)
    print(*lines(by_seed), sep="\n")
    kept = [{what: result.model_dump() for what, result in results.items()} for results in by_seed]
    RESULTS.write_text(json.dumps({"made_by": made_by(), "seeds": kept}, indent=2) + "\n", encoding="utf-8")
    print(f"written to {RESULTS}")


if __name__ == "__main__":
    main()
