"""The question of ``benchmarks.depth`` as it is asked of a lab: three encoders × three depths × three seeds as one grid.

    python -m benchmarks.grid --data FOLDER

FOLDER holds ``pneumoniamnist.npz`` and ``cifar10.zip``. A real lab with one worker gets both as uploads, pretrains an encoder on
the X-rays and one on photographs, and is sent the grid through its API; everything of it is gone afterwards.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from backend.lab.client import Client, Job
from backend.lab.demo import finished
from benchmarks.depth import HALF, OWN, PHOTOGRAPHS, TUNED, lines
from benchmarks.learning import SEEDS, photographs
from benchmarks.load_lab import LoadLab, running
from simclr.config import LinearProbeConfig, PretrainConfig
from simclr.datasets.store import SPLITS, Dataset
from simclr.results import TransferResult
from simclr.runs import made_by

RESULTS = Path("grid.json")
BUDGET_S = 1500.0  # for everything, on two cores
POLL_S = 2.0
# By batches, so that the probe has seeds too: the exact one finds the same under each.
PROBE = LinearProbeConfig(solver="sgd")
HOW = {
    ("linear_probe", None): "linear probe",
    ("fine_tune", HALF): "half fine-tuned",
    ("fine_tune", None): "fine-tuned",
}
Answer = dict[str, Any]


def uploaded(lab: LoadLab, client: Client, name: str, file: Path) -> str:
    """The id of the set that is imported from an ``.npz`` file."""
    asked = {"format": "npz", "name": name}
    answer = lab.http.post("/api/datasets/upload", params=asked, content=file.read_bytes()).raise_for_status()
    return str(finished(client, Job.of(answer.json()))["dataset_id"])


def saved(dataset: Dataset, file: Path) -> Path:
    """``file``, now with the set's images and labels in the form of MedMNIST."""
    arrays: dict[str, Any] = {}
    for split in SPLITS:
        chosen = dataset.indices(split)
        arrays[f"{split}_images"] = dataset.images[chosen].transpose(0, 2, 3, 1)
        arrays[f"{split}_labels"] = dataset.labels[chosen]
    np.savez(file, **arrays)
    return file


def pretrained(client: Client, dataset_id: str, config: PretrainConfig) -> str:
    """The id of the encoder that a pretraining job makes."""
    body = {"kind": "pretrain", "dataset_id": dataset_id, "config": config.model_dump(mode="json")}
    return str(finished(client, Job.of(client.post("/jobs", body)))["produced_encoder_id"])


def computed(client: Client, dataset_id: str, encoders: Sequence[str]) -> Answer:
    """The grid once it is over, with its cells."""
    body = {
        "dataset_id": dataset_id,
        "encoders": list(encoders),
        "strategies": [config.model_dump(mode="json") for config in (PROBE, TUNED)],
        "depths": [HALF, None],
        "seeds": list(SEEDS),
    }
    grid = client.post("/grids", body)
    while not (grid := client.get(f"/grids/{grid['id']}"))["is_over"]:
        time.sleep(POLL_S)
    if grid["counts"]["computed"] < grid["cells"]:
        sys.exit(f"not every cell was computed: {grid['counts']}")
    return grid


def by_seed(client: Client, grid: Answer, names: Mapping[str, str]) -> list[dict[str, TransferResult]]:
    """For each seed, results by encoder, whose name ``names`` has under its id, and depth."""
    found: dict[int, dict[str, TransferResult]] = {seed: {} for seed in SEEDS}
    for cell in grid["items"]:
        config = cell["config"]
        how = HOW[config["strategy"], config.get("unfrozen_blocks")]
        result = TransferResult.model_validate(client.get(f"/results/{cell['result_id']}"))
        found[config["seed"]][f"{names[cell['encoder_id']]}, {how}"] = result
    return list(found.values())


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with pneumoniamnist.npz and cifar10.zip")
    given = parser.parse_args(arguments)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch, running(worker=True) as lab:
        file = saved(photographs(given.data / "cifar10.zip"), Path(scratch) / "photographs.npz")
        with Client(lab.address, lab.settings.access_token) as client:
            x_rays = uploaded(lab, client, "X-rays", given.data / "pneumoniamnist.npz")
            own = pretrained(client, x_rays, OWN)
            other = pretrained(client, uploaded(lab, client, "Photographs", file), PHOTOGRAPHS)
            untrained = str(client.post("/encoders", {"origin": "untrained", "like": own})["id"])
            names = {untrained: "untrained", own: "SimCLR, X-rays", other: "SimCLR, photographs"}
            print(f"encoders: done after {time.monotonic() - began:.0f} s", flush=True)
            grid = computed(client, x_rays, list(names))
            results = by_seed(client, grid, names)
    took = time.monotonic() - began
    print(*lines(results), sep="\n")
    print(f"{grid['cells']} cells; all of it took {took:.0f} s (budget {BUDGET_S:.0f} s)")
    kept = [{what: result.model_dump() for what, result in of_seed.items()} for of_seed in results]
    RESULTS.write_text(
        json.dumps({"made_by": made_by(), "seconds": took, "seeds": kept}, indent=2) + "\n", encoding="utf-8"
    )
    print(f"written to {RESULTS}")


if __name__ == "__main__":
    main()
