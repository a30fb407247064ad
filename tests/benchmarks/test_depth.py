"""The command that fills the log's table of depths, on stripes."""

import json
from pathlib import Path

import pytest

from benchmarks import depth
from benchmarks.depth import main
from simclr.config import EncoderConfig, FineTuneConfig, PretrainConfig
from tests.simclr.conftest import striped

TOY = PretrainConfig(epochs=1, batch_size=16, knn_every=9, encoder=EncoderConfig(width=8))


@pytest.mark.slow
def test_it_goes_on_where_it_was_stopped_and_tells_every_cell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cifar10.zip").touch()
    toys = {"OWN": TOY, "PHOTOGRAPHS": TOY, "TUNED": FineTuneConfig(epochs=1, batch_size=16), "SEEDS": (0, 1)}
    for name, toy in toys.items():
        monkeypatch.setattr(depth, name, toy)
    monkeypatch.setattr(depth, "import_npz", lambda _: striped(channels=1))
    monkeypatch.setattr(depth, "photographs", lambda _: striped(seed=1))
    main(["--seconds", "0"])
    assert capsys.readouterr().out == "seed 0: to go on, give the same command again\n"
    main([])
    said = capsys.readouterr().out
    kept = json.loads((tmp_path / "depth.json").read_text())["seeds"]
    hows = ("linear probe", "half fine-tuned", "fine-tuned")
    encoders = ("untrained", "SimCLR, X-rays", "SimCLR, photographs")
    assert [list(seed) for seed in kept] == [[f"{encoder}, {how}" for encoder in encoders for how in hows]] * 2
    areas = [seed["untrained, fine-tuned"]["scores"][1]["auc"] for seed in kept]
    assert f"untrained, fine-tuned                {areas[0]:.3f} {areas[1]:.3f}   mean {sum(areas) / 2:.3f} (" in said
    # What is there is only shown again.
    monkeypatch.setattr(depth, "transfer", lambda *_given, **_named: pytest.fail("done again"))
    main([])


def test_half_of_the_network_is_the_two_last_of_its_four_layers() -> None:
    half = depth.strategies(3)["half fine-tuned"]
    assert isinstance(half, FineTuneConfig)
    assert (half.unfrozen_blocks, half.seed, depth.OWN.encoder.architecture) == (2, 3, "resnet8")
