"""The command that fills the log's tables, on stripes."""

import json
from pathlib import Path

import pytest

from benchmarks import learning
from benchmarks.learning import RECIPES, Recipe, main
from simclr.config import EncoderConfig, PretrainConfig
from tests.simclr.conftest import striped

TOY = PretrainConfig(epochs=2, batch_size=16, encoder=EncoderConfig(width=8))


@pytest.mark.slow
def test_it_goes_on_where_it_was_stopped_and_tells_every_seed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    toys = {"stripes": Recipe(TOY, lambda _: striped()), "absent": Recipe(TOY, lambda _: striped(), "absent.zip")}
    monkeypatch.setattr(learning, "RECIPES", toys)
    monkeypatch.setattr(learning, "SEEDS", (0, 1))
    main(["stripes", "--seconds", "0"])
    assert "stripes, seed 0: to go on, give the same command again" in capsys.readouterr().out
    assert not (tmp_path / "learning.json").exists()
    main([])
    said = capsys.readouterr().out
    assert "absent is left out: no absent.zip" in said
    kept = json.loads((tmp_path / "learning.json").read_text())["sets"]
    assert [sorted(seed) for seed in kept["stripes"]] == [
        ["pixels knn", "pixels linear_probe", "trained knn", "trained linear_probe", "untrained knn", "untrained linear_probe"],
        ["trained knn", "trained linear_probe", "untrained knn", "untrained linear_probe"],
    ]  # fmt: skip
    accuracy = [seed["trained knn"]["scores"][1]["accuracy"] for seed in kept["stripes"]]
    assert f"trained knn              accuracy  {' '.join(f'{a:.3f}' for a in accuracy)}   mean" in said
    # What is there is only shown again.
    monkeypatch.setattr(learning, "pretrain", lambda *_given, **_named: pytest.fail("trained again"))
    main(["stripes"])


def test_the_demonstration_is_among_them() -> None:
    assert RECIPES["patterns"].config.augment.grey_p == 0.5
    assert len(RECIPES["digits"].load(Path()).labels) == 1797
