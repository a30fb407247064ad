"""A training that was interrupted and goes on is, bit for bit, the one that was not."""

import math
import resource
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from simclr.config import OptimConfig
from simclr.datasets import Dataset
from simclr.encoders import image_facts, load_encoder, untrained_encoder
from simclr.events import AnyEvent, Checkpoint, Stopped
from simclr.pretrain import pretrain
from simclr.resume import Cadence, keeping_few, superseded
from simclr.runs import Run, sha256_of
from simclr.training import Diverged
from tests.simclr.conftest import Heard, stop_after, striped
from tests.simclr.interruptions import ALWAYS, SILENT, TINY, interrupted, rewritten, told

pytestmark = pytest.mark.slow

RECIPES = {
    "adamw, probe": TINY,
    "ema": TINY.model_copy(update={"optim": OptimConfig(ema_decay=0.9), "knn_every": 2}),
    "lars, clipped": TINY.model_copy(
        update={
            "optim": OptimConfig(optimizer="lars", trust=0.02, gradient_clip=0.5),
            "learning_rate": 2.0,
            "warmup_epochs": 1.0,
            "follow": SILENT,
        }
    ),
    "sgd, constant": TINY.model_copy(
        update={"optim": OptimConfig(optimizer="sgd", schedule="constant"), "learning_rate": 0.1, "follow": SILENT}
    ),
}


@pytest.fixture(scope="module", autouse=True)
def _every_loss_is_told() -> Iterator[None]:
    """Which steps are told depends on the clock; here all are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("simclr.training.REPORT_EVERY_S", 0.0)
        yield


@pytest.fixture(scope="module", params=RECIPES)
def uninterrupted(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, _every_loss_is_told: None
) -> Any:
    """A recipe, how it ends, and all its checkpoints."""
    config, heard = RECIPES[request.param], Heard()
    run = Run(tmp_path_factory.mktemp("whole"))
    result = pretrain(config, striped(), run, heard, cadence=ALWAYS)
    return config, run, heard, result


def test_gone_on_from_any_step_it_ends_as_if_it_had_not_been_interrupted(
    uninterrupted: Any, tmp_path: Path, stripes: Dataset
) -> None:
    config, whole, heard, expected = uninterrupted
    files = whole.checkpoints()
    assert [event.step for event in heard.checkpoints] == [1, 2, 3, 4, 5, 6]
    # Every step for one recipe; the others differ in what is kept, so one within an epoch and one at its end will do.
    for step in range(1, 7) if config is TINY else (2, 3):
        run, rest = Run(tmp_path / str(step)), Heard()
        result = pretrain(config, stripes, run, rest, resume=files[step - 1])
        assert sha256_of(run.encoder) == sha256_of(whole.encoder)
        assert told(rest) == told(heard)[step:]
        assert rest.evaluations == [e for e in heard.evaluations if e.step > step]
        assert (result.loss, result.knn_accuracy) == (expected.loss, expected.knn_accuracy)
        assert run.is_complete


# How often it asks up to a step depends on the looks between: these stop it before the first look, in looks and between steps.
@pytest.mark.parametrize("asked", [0, 1, 3, 4, 5, 7, 9])
def test_stopped_at_any_question_it_writes_a_checkpoint_there_and_goes_on_from_it(
    tmp_path: Path, stripes: Dataset, asked: int, looked_at: tuple[Run, Heard]
) -> None:
    whole, heard = looked_at
    parts = Heard()
    file = interrupted(TINY, stripes, tmp_path / "first", asked, parts)
    [event] = parts.checkpoints
    assert (event.name, event.sha256) == (file.name, sha256_of(file))
    assert [p.name for p in file.parent.iterdir() if p != file] == ["config.json"]
    assert parts[-1] == event
    run = Run(tmp_path / "second")
    pretrain(TINY, stripes, run, parts, resume=file)
    assert sha256_of(run.encoder) == sha256_of(whole.encoder)
    assert parts.evaluations == heard.evaluations
    assert told(parts) == told(heard)


@pytest.fixture(scope="module")
def looked_at(tmp_path_factory: pytest.TempPathFactory, _every_loss_is_told: None) -> tuple[Run, Heard]:
    heard, run = Heard(), Run(tmp_path_factory.mktemp("looked"))
    pretrain(TINY, striped(), run, heard)
    return run, heard


def test_interrupted_again_and_again_it_is_still_the_same(
    tmp_path: Path, stripes: Dataset, looked_at: tuple[Run, Heard]
) -> None:
    whole, heard = looked_at
    parts, file = Heard(), None
    for attempt in range(10):
        run = Run(tmp_path / str(attempt))
        try:
            pretrain(TINY, stripes, run, parts, stop_after(7), resume=file)
            break
        except Stopped:
            [file] = run.checkpoints()
    assert attempt >= 2
    assert sha256_of(run.encoder) == sha256_of(whole.encoder)
    assert parts.evaluations == heard.evaluations
    assert told(parts) == told(heard)


def test_losses_that_were_not_told_yet_are_told_later(
    tmp_path: Path, stripes: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simclr.training.REPORT_EVERY_S", 1e9)
    whole, parts = Heard(), Heard()
    pretrain(TINY, stripes, Run(tmp_path / "whole"), whole)
    pretrain(TINY, stripes, Run(tmp_path / "rest"), parts, resume=interrupted(TINY, stripes, tmp_path / "a", 4, parts))
    assert [e.step for e in parts.progress] == [3, 6]
    assert told(parts) == told(whole)


def other_generator(state: dict[str, Any]) -> Any:
    return torch.Generator().manual_seed(99).get_state()


AVERAGED = TINY.model_copy(update={"follow": SILENT, "optim": OptimConfig(ema_decay=0.9)})


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A checkpoint after two steps, and the digest of the encoder that comes of it, as it is and written anew."""
    folder = tmp_path_factory.mktemp("begun")
    file = interrupted(AVERAGED, striped(), folder / "a", 2)
    runs = Run(folder / "as it was"), Run(folder / "the same")
    for run, checkpoint in zip(runs, (file, rewritten(file, lambda _content: None)), strict=True):
        pretrain(AVERAGED, striped(), run, resume=checkpoint)
    first, same = (sha256_of(run.encoder) for run in runs)
    assert first == same
    return file, first


@pytest.mark.parametrize(
    ("names", "change"),
    [
        (("views",), other_generator),
        (("order", "generator"), other_generator),
        (("order", "order"), lambda order: order.flip(0)),
        (("optimizer", "state", 0, "exp_avg"), torch.zeros_like),
        (("parts", "twin", "encoder.bn1.running_mean"), torch.zeros_like),
        (("parts", "average", "conv1.weight"), torch.zeros_like),
    ],
    ids=lambda value: "-".join(map(str, value)) if isinstance(value, tuple) else "",
)
def test_every_part_of_the_state_matters(
    tmp_path: Path, stripes: Dataset, begun: tuple[Path, str], names: tuple[Any, ...], change: Callable[[Any], Any]
) -> None:
    def tamper(content: dict[str, Any]) -> None:
        inside = content["state"]
        for name in names[:-1]:
            inside = inside[name]
        inside[names[-1]] = change(inside[names[-1]])

    file, expected = begun
    pretrain(AVERAGED, stripes, Run(tmp_path), resume=rewritten(file, tamper))
    assert sha256_of(Run(tmp_path).encoder) != expected


def test_more_epochs_go_on_along_the_longer_schedule(tmp_path: Path, stripes: Dataset) -> None:
    short, heard, more = Heard(), Heard(), Heard()
    pretrain(TINY, stripes, Run(tmp_path / "short"), short)
    longer = TINY.model_copy(update={"epochs": 4})
    pretrain(longer, stripes, Run(tmp_path / "long"), heard)
    result = pretrain(longer, stripes, Run(tmp_path / "more"), more, resume=Run(tmp_path / "short").checkpoint(6))
    assert [(e.step, e.steps, e.learning_rate) for e in more.progress] == [
        (e.step, e.steps, e.learning_rate) for e in heard.progress[6:]
    ]
    assert [e.epoch for e in more.evaluations] == [3, 4]
    assert (result.epochs, result.steps) == (4, 12)


def test_speed_and_the_time_that_is_left_are_of_what_is_done_now(tmp_path: Path, stripes: Dataset) -> None:
    heard = Heard()
    result = pretrain(TINY, stripes, Run(tmp_path / "b"), heard, resume=interrupted(TINY, stripes, tmp_path / "a", 7))
    assert all((e.eta_s or 0) >= 0 and (e.images_per_s or 0) > 0 for e in heard.progress)
    assert result.images_per_s > 0


def test_a_start_is_part_of_the_checkpoint(tmp_path: Path, stripes: Dataset) -> None:
    untrained_encoder(TINY.encoder, image_facts(stripes), 7, tmp_path / "start")
    untrained_encoder(TINY.encoder, image_facts(stripes), 8, tmp_path / "other")
    config = TINY.model_copy(update={"follow": SILENT})
    pretrain(config, stripes, Run(tmp_path / "whole"), start=tmp_path / "start", cadence=ALWAYS)
    file = Run(tmp_path / "whole").checkpoint(2)
    pretrain(config, stripes, Run(tmp_path / "b"), resume=file)
    assert sha256_of(Run(tmp_path / "b").encoder) == sha256_of(Run(tmp_path / "whole").encoder)
    assert Run(tmp_path / "b").facts()["start"] == sha256_of(tmp_path / "start")
    assert Run(tmp_path / "b").facts()["resumed"] == sha256_of(file)
    with pytest.raises(ValueError, match="belongs to another start"):
        pretrain(config, stripes, Run(tmp_path / "c"), start=tmp_path / "other", resume=file)


def test_a_training_that_diverges_after_it_went_on_keeps_the_encoder_from_before(
    tmp_path: Path, stripes: Dataset
) -> None:
    file = interrupted(TINY.model_copy(update={"follow": SILENT}), stripes, tmp_path / "a", 4)

    def ruin(content: dict[str, Any]) -> None:
        content["state"]["parts"]["network"]["encoder.conv1.weight"].fill_(math.nan)

    with pytest.raises(Diverged, match=r"at step 5 of 6: .*after epoch 1 is kept in"):
        pretrain(TINY.model_copy(update={"follow": SILENT}), stripes, Run(tmp_path / "b"), resume=rewritten(file, ruin))
    assert load_encoder(Run(tmp_path / "b").last_good)[1].origin == "pretrained"
    assert Run(tmp_path / "b").checkpoints() == []


# A fifth of a second a step; with 3 steps an epoch.
@pytest.mark.parametrize(
    ("epoch_s", "most_s", "steps"),
    [
        (1e9, 1e9, [6]),
        (0.0, 1e9, [3, 6]),
        (1e9, 0.35, [2, 4, 6]),
        (0.55, 1e9, [3, 6]),
        (0.7, 1e9, [6]),
    ],
)
def test_checkpoints_come_when_the_last_one_is_long_enough_ago(
    tmp_path: Path, stripes: Dataset, heard: Heard, epoch_s: float, most_s: float, steps: list[int]
) -> None:
    def clock() -> float:
        return max((event.step for event in heard.progress), default=0) * 0.2

    run = Run(tmp_path)
    pretrain(TINY, stripes, run, heard, cadence=Cadence(epoch_s, most_s, clock))
    assert [event.step for event in heard.checkpoints] == steps
    assert [path.name for path in run.checkpoints()] == [event.name for event in heard.checkpoints]
    assert [event.epoch for event in heard.checkpoints] == [(step + 2) // 3 for step in steps]
    looked = {event.step: event.knn_accuracy for event in heard.evaluations}
    assert [event.knn_accuracy for event in heard.checkpoints] == [looked.get(step) for step in steps]


def test_a_full_disk_comes_out_as_it_is_and_leaves_earlier_checkpoints_whole(tmp_path: Path, stripes: Dataset) -> None:
    run = Run(tmp_path / "run")
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(event: AnyEvent) -> None:
        if event.kind == "checkpoint":
            resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, usual[1]))

    said = rf"^no room in {run.path}: checkpoint-000000002\.pt needs \d\.\d MiB, .* MiB are free\."
    try:
        with pytest.raises(OSError, match=said):
            pretrain(TINY, stripes, run, fill, cadence=ALWAYS)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    assert [path.name for path in run.checkpoints()] == ["checkpoint-000000001.pt"]
    assert sorted(p.name for p in run.path.iterdir()) == ["checkpoint-000000001.pt", "config.json"]
    pretrain(TINY, stripes, Run(tmp_path / "rest"), resume=run.checkpoint(1))
    assert Run(tmp_path / "rest").is_complete


def test_all_but_the_last_two_and_the_best_are_superseded() -> None:
    told = [
        Checkpoint(step=step, epoch=step, name=str(step), sha256="", knn_accuracy=accuracy)
        for step, accuracy in enumerate([None, 0.5, 0.9, 0.9, None, 0.7, 0.2])
    ]
    assert [old.step for old in superseded(told)] == [0, 1, 3, 4]
    assert [old.step for old in superseded(told[:2])] == []
    assert superseded([]) == []


def test_only_few_checkpoints_are_kept_where_nobody_else_needs_them(
    tmp_path: Path, stripes: Dataset, heard: Heard
) -> None:
    run = Run(tmp_path)
    config = TINY.model_copy(update={"follow": SILENT})
    pretrain(config, stripes, run, keeping_few(heard, run), cadence=ALWAYS)
    assert [event.step for event in heard.checkpoints] == [1, 2, 3, 4, 5, 6]
    assert run.checkpoints() == [run.checkpoint(5), run.checkpoint(6)]
