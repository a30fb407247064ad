"""The command behind the log's figures of retrieval, on stripes."""

import json
from pathlib import Path

import pytest

from benchmarks import retrieval
from benchmarks.learning import Recipe
from simclr.config import EncoderConfig, PretrainConfig
from tests.simclr.conftest import striped

TOY = PretrainConfig(epochs=2, batch_size=16, encoder=EncoderConfig(width=8))


@pytest.mark.slow
def test_three_encoders_are_judged_and_what_is_trained_is_not_trained_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(retrieval.RECIPES, "digits", Recipe(TOY, lambda _: striped()))
    retrieval.main(["--data", str(tmp_path)])
    kept = json.loads((tmp_path / "retrieval.json").read_text())
    test_images = len(striped().indices("test", labelled=True))
    assert (kept["set"], list(kept["found"])) == ("digits", ["trained", "untrained", "raw pixels"])
    assert {each["gallery"] for each in kept["found"].values()} == {test_images}
    said = capsys.readouterr().out
    assert f"precision@10 {kept['found']['trained']['precision']['10']['value']:.3f}" in said
    monkeypatch.setattr(retrieval, "pretrain", lambda *_given, **_named: pytest.fail("trained again"))
    retrieval.main([])
    assert json.loads((tmp_path / "retrieval.json").read_text())["found"] == kept["found"]
