"""What goes to the lab and how its answers are read; the lab has tests of its own."""

from itertools import product
from pathlib import Path
from typing import Any, cast

import numpy as np

from backend.lab.client import Client
from benchmarks.depth import HALF, lines
from benchmarks.grid import by_seed, saved
from simclr.datasets.npz import import_npz
from simclr.results import Score, TransferResult
from tests.simclr.conftest import striped


class Answers:
    """A client to whom every result is a score by its number."""

    def get(self, path: str) -> dict[str, Any]:
        area = int(path.removeprefix("/results/")) / 100
        score = Score(split="test", n=9, accuracy=area, accuracy_low=area, accuracy_high=area, auc=area)
        scores = [score.model_copy(update={"split": split}) for split in ("val", "test")]
        result = TransferResult(strategy="knn", scores=scores, chance=0.5, chosen={}, seconds=1.0)
        return {**result.model_dump(), "id": path, "pinned": False}


def test_every_cell_stands_under_its_seed_encoder_and_depth() -> None:
    tuned = [{"strategy": "fine_tune", "unfrozen_blocks": depth} for depth in (HALF, None)]
    configs: list[dict[str, Any]] = [{"strategy": "linear_probe"}, *tuned]
    cells = [
        {"encoder_id": encoder, "config": {**config, "seed": seed}, "result_id": str(number)}
        for number, (encoder, config, seed) in enumerate(product("ab", configs, (0, 1, 2)))
    ]
    found = by_seed(cast("Client", Answers()), {"items": cells}, {"a": "one", "b": "two"})
    hows = ("linear probe", "half fine-tuned", "fine-tuned")
    assert [list(of_seed) for of_seed in found] == [[f"{name}, {how}" for name in ("one", "two") for how in hows]] * 3
    assert [of_seed["two, half fine-tuned"].scores[1].auc for of_seed in found] == [0.12, 0.13, 0.14]
    assert "two, half fine-tuned                 0.120 0.130 0.140   mean 0.130 (" in "\n".join(lines(found))


def test_a_set_is_the_same_after_its_upload(tmp_path: Path) -> None:
    sent = striped()
    read = import_npz(saved(sent, tmp_path / "stripes.npz"))
    for split in ("train", "val", "test"):
        for kept, known in ((read.images, sent.images), (read.labels, sent.labels)):
            np.testing.assert_array_equal(kept[read.indices(split)], known[sent.indices(split)])
