"""The demonstration: told rightly, and done only once."""

import io
import signal
from collections.abc import Callable

import pytest
from rich.console import Console

from backend.lab.demo import Course, as_percent, as_table
from tests.backend.lab.conftest import WITHOUT_TORCH, Started


def printed(show: Callable[[Console], None]) -> str:
    console = Console(file=io.StringIO(), width=120)
    show(console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def score(accuracy: float) -> dict[str, object]:
    test = {
        "split": "test",
        "n": 2000,
        "accuracy": accuracy,
        "accuracy_low": accuracy - 0.02,
        "accuracy_high": accuracy + 0.02,
    }
    val = {"split": "val", "n": 1000, "accuracy": 0.999, "accuracy_low": 0.99, "accuracy_high": 1.0}
    return {"scores": [val, test], "chance": 0.1}


def test_only_the_test_split_is_shown_with_its_interval() -> None:
    assert as_percent(score(0.5)) == "50.0 (48.0–52.0)"


def test_the_table_holds_every_encoder_every_strategy_and_guessing() -> None:
    results = {
        name: {"k-NN": score(0.41), "linear probe": score(0.49)} for name in ("pretrained", "untrained", "pixels")
    }
    text = printed(lambda console: console.print(as_table(results)))
    for part in ("pretrained", "untrained", "pixels", "k-NN", "linear probe", "guessing", "10.0", "41.0 (39.0–43.0)"):
        assert part in text


def test_every_look_at_the_features_is_a_line_with_the_loss_against_chance() -> None:
    progress = {"kind": "progress", "epoch": 1, "epochs": 2, "loss": 4.5, "chance": 6.236}
    looks = [
        {"kind": "evaluation", "epoch": epoch, "knn_accuracy": accuracy} for epoch, accuracy in ((0, 0.15), (1, 0.4))
    ]

    def tell(console: Console) -> None:
        course = Course(console)
        for event in (looks[0], progress, looks[1]):
            course.tell(event)

    untrained, first = printed(tell).splitlines()
    assert "untrained" in untrained
    assert "15.0%" in untrained
    assert "epoch   1" in first
    assert "40.0%" in first
    assert "loss 4.500 (chance 6.236)" in first
    assert first.count("█") > untrained.count("█")


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_demonstration_runs_to_its_table_and_a_second_one_finds_its_jobs(start: Callable[..., Started]) -> None:
    first = start("demo", "--exit", "--set", "digits", "--epochs", "1", COLUMNS="120")
    assert first.ended(within_s=900) == 0, first.printed
    table = [line for line in first.printed.splitlines() if line.startswith("│")]
    assert len(table) == 4, first.printed
    assert "/results#token=" in first.printed
    second = start("demo", "--set", "digits", "--epochs", "1", COLUMNS="120", **WITHOUT_TORCH)
    second.until("The lab stays up", within_s=200)
    assert second.stop(signal.SIGHUP) == 0, second.printed
    assert "An earlier demonstration trained this encoder" in second.printed
    assert [line for line in second.printed.splitlines() if line.startswith("│")] == table
