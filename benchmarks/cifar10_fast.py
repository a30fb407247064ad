"""What linear accuracy a few minutes buy: pretrain by the preset cifar10-fast for as many epochs as they allow, then probe.

    python -m benchmarks.cifar10_fast cifar10.zip --minutes 10

The budget is wall time from the images in memory to the scores, for finding out the speed, training and probing alike. Prints the
curve of the probe that is trained along, on held-out images, and the scores of a linear probe to convergence and of k-NN;
``cifar10_fast.json`` keeps them. Any set that ``simclr`` can read will do, and any machine, though fewer epochs fit there.
"""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.training import speed_of
from simclr.arguments import find_dataset
from simclr.config import FollowConfig, KnnConfig, LinearProbeConfig, PretrainConfig
from simclr.datasets import Dataset
from simclr.device import choose_device
from simclr.events import Evaluation, Event, Log
from simclr.presets import pretrain_preset
from simclr.pretrain import pretrain
from simclr.results import Score
from simclr.runs import Run, made_by
from simclr.transfer import transfer

RESULTS = Path("cifar10_fast.json")
LOOKS = 12
# Shares of the budget that are not for training: finding out the speed (at most), probing, and a speed that was too high.
FOR_MEASURING, FOR_PROBING, FOR_SURPRISES = 0.05, 0.08, 0.03
FOLLOW = FollowConfig(knn=False, probe=True, contrast=False, geometry=False)


@dataclass(frozen=True)
class Point:
    """The probe that is trained along, on held-out images, so many seconds after the beginning."""

    seconds: float
    epoch: int
    accuracy: float


@dataclass(frozen=True)
class Report:
    """What was reached, and when each part ended, in seconds."""

    device: str
    config: PretrainConfig
    images_per_s: float
    measured_s: float
    pretrained_s: float
    probed_s: float
    curve: list[Point]
    linear_probe: list[Score]
    knn: list[Score]

    def lines(self) -> list[str]:
        curve = [f"  {point.seconds:6.0f} s  epoch {point.epoch:4d}  {point.accuracy:.4f}" for point in self.curve]
        scores = [
            f"{name}, {score.split}: {score.accuracy:.4f} ({score.accuracy_low:.4f} to {score.accuracy_high:.4f}, n = {score.n})"
            for name, found in (("linear probe", self.linear_probe), ("k-NN", self.knn))
            for score in found
        ]
        return [
            f"{self.config.epochs} epochs on {self.device}, {self.images_per_s:,.0f} images/s: pretrained after "
            f"{self.pretrained_s:.0f} s, probed after {self.probed_s:.0f} s",
            "probe trained along, validation",
            *curve,
            *scores,
        ]


def affordable(budget_s: float, images_per_s: float, images: int, most: int) -> int:
    """Epochs that fit into ``budget_s`` seconds, from 1 to ``most``."""
    return max(1, min(most, int(budget_s * images_per_s / images)))


def run(
    config: PretrainConfig, dataset: Dataset, folder: Path, budget_s: float, clock: Callable[[], float] = time.monotonic
) -> Report:
    """Measure the speed of ``config``, pretrain for the epochs that fit, its own number at most, and probe.

    Every run leaves its files in ``folder``.
    """
    began, device = clock(), choose_device()
    config = config.model_copy(update={"follow": FOLLOW})
    steps = len(dataset.indices("train")) // config.batch_size

    def planned(speed: float) -> PretrainConfig:
        left_s = budget_s * (1 - FOR_PROBING - FOR_SURPRISES) - (clock() - began)
        epochs = affordable(left_s, speed, steps * config.batch_size, config.epochs)
        return config.model_copy(update={"epochs": epochs, "knn_every": max(1, epochs // LOOKS)})

    speed = speed_of(config, dataset, FOR_MEASURING * budget_s)
    plan = planned(speed)
    if device.compiles(steps * config.epochs) and not device.compiles(steps * plan.epochs):
        # Too short to be compiled, and so slower than what was measured.
        speed = speed_of(plan, dataset, FOR_MEASURING * budget_s)
        plan = planned(speed)
    measured_s = clock() - began
    curve: list[Point] = []

    def hear(event: Event) -> None:
        if isinstance(event, Log):
            print(event.message, flush=True)
        if isinstance(event, Evaluation) and event.probe_accuracy is not None:
            curve.append(Point(clock() - began, event.epoch, event.probe_accuracy))
            print(
                f"{curve[-1].seconds:.0f} s, epoch {event.epoch} of {plan.epochs}: {event.probe_accuracy:.4f}",
                flush=True,
            )

    made = Run(folder / "pretraining")
    pretrain(plan, dataset, made, hear)
    pretrained_s = clock() - began
    linear = transfer(LinearProbeConfig(), made.encoder, dataset, Run(folder / "linear probe"))
    probed_s = clock() - began
    knn = transfer(KnnConfig(), made.encoder, dataset, Run(folder / "knn"))
    return Report(device.name, plan, speed, measured_s, pretrained_s, probed_s, curve, linear.scores, knn.scores)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("dataset", help="cifar10.zip, or whatever simclr can read")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--out", type=Path, default=Path("cifar10_fast"), help="folder for the runs")
    given = parser.parse_args(arguments)
    dataset = find_dataset(given.dataset, None)
    # The schedule needs its end before it begins; there are at most as many epochs as a config may have.
    config = pretrain_preset("cifar10-fast").model_copy(update={"epochs": 1000})
    report = run(config, dataset, given.out, 60 * given.minutes)
    print(*report.lines(), sep="\n")
    content = asdict(report) | {
        "config": report.config.model_dump(mode="json"),
        "linear_probe": [score.model_dump() for score in report.linear_probe],
        "knn": [score.model_dump() for score in report.knn],
        "made_by": made_by(),
        "budget_s": 60 * given.minutes,
    }
    RESULTS.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    print(f"written to {RESULTS}")


if __name__ == "__main__":
    main()
