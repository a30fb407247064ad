"""A pretraining keeps encoders of few, spread epochs, the same ones and with the same bytes however it came to its end."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simclr.datasets import Dataset
from simclr.encoders import load_encoder, load_head, read_encoder_file, untrained_encoder
from simclr.events import SavedEpoch, Stopped
from simclr.kept_epochs import kept_epochs
from simclr.pretrain import pretrain
from simclr.resume import keeping_few
from simclr.runs import Run, sha256_of
from tests.simclr.conftest import Heard, stop_after, striped
from tests.simclr.interruptions import SILENT, TINY

pytestmark = pytest.mark.slow

# An epoch is 3 steps; of 5 epochs, 4 after training began, 0, 1, 2 and 4 are kept beside the last.
FIVE = TINY.model_copy(update={"epochs": 5, "saved_epochs": 4, "follow": SILENT})


def test_the_first_epochs_and_powers_of_two_come_first() -> None:
    assert kept_epochs(10, 12) == list(range(11))
    assert kept_epochs(20, 12) == [0, 1, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20]
    assert kept_epochs(100, 12) == [0, 1, 2, 4, 8, 16, 24, 32, 48, 64, 80, 96]
    assert kept_epochs(1000, 12) == [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 768]
    assert kept_epochs(1000, 0) == []


@settings(max_examples=30)
@given(st.integers(0, 1000), st.integers(0, 1000), st.integers(0, 64))
def test_what_a_longer_training_keeps_a_shorter_one_had_kept(done: int, more: int, most: int) -> None:
    early, late = kept_epochs(done, most), kept_epochs(done + more, most)
    assert {epoch for epoch in late if epoch <= done} <= set(early)
    assert len(late) == min(most, done + more + 1)


def digests(*folders: Path) -> dict[str, str]:
    return {path.name: sha256_of(path) for folder in folders for path in Run(folder).saved_epochs()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Heard]:
    run, heard = Run(tmp_path_factory.mktemp("whole")), Heard()
    pretrain(FIVE, striped(), run, keeping_few(heard, run))
    return run, heard


def test_epochs_are_encoders_with_their_heads_and_the_first_is_untrained(
    whole: tuple[Run, Heard], stripes: Dataset, tmp_path: Path
) -> None:
    run, heard = whole
    told = [event for event in heard if isinstance(event, SavedEpoch)]
    assert [(event.epoch, event.step) for event in told] == [(0, 0), (1, 3), (2, 6), (3, 9), (4, 12)]
    assert list(digests(run.path)) == [f"epoch-00000{epoch}.safetensors" for epoch in (0, 1, 2, 4)]
    for event in told:
        if (path := run.path / event.name).exists():
            assert (sha256_of(path), read_encoder_file(path).model_dump(mode="json")) == (
                event.sha256,
                event.description,
            )
            assert load_head(path, read_encoder_file(path)) is not None
    random, file = load_encoder(run.saved_epoch(0))
    assert (file.origin, read_encoder_file(run.saved_epoch(1)).origin) == ("untrained", "pretrained")
    untrained_encoder(FIVE.encoder, file, FIVE.seed, tmp_path / "untrained")
    expected = load_encoder(tmp_path / "untrained")[0].state_dict()
    assert all(bool((tensor == expected[name]).all()) for name, tensor in random.state_dict().items())
    assert "epoch" not in (run.path / "manifest.json").read_text()


def test_interrupted_again_and_again_the_files_are_the_same(
    whole: tuple[Run, Heard], stripes: Dataset, tmp_path: Path
) -> None:
    file: Path | None = None
    heard, run, folders = Heard(), Run(tmp_path), list[Path]()
    for attempt in range(9):
        run = Run(tmp_path / str(attempt))
        folders.append(run.path)
        try:
            pretrain(FIVE, stripes, run, heard, stop_after(6), resume=file)
            break
        except Stopped:
            [file] = run.checkpoints()
    assert attempt >= 2
    assert digests(*folders).items() >= digests(whole[0].path).items()
    assert sha256_of(run.encoder) == sha256_of(whole[0].encoder)
    expected = [event for event in whole[1] if isinstance(event, SavedEpoch)]
    assert [event for event in heard if isinstance(event, SavedEpoch)] == expected


def test_a_given_start_is_no_untrained_encoder_and_0_keeps_nothing(
    stripes: Dataset, tmp_path: Path, whole: tuple[Run, Heard]
) -> None:
    one = FIVE.model_copy(update={"epochs": 1})
    pretrain(one, stripes, Run(tmp_path / "started"), start=whole[0].encoder)
    assert read_encoder_file(Run(tmp_path / "started").saved_epoch(0)).origin == "pretrained"
    pretrain(one.model_copy(update={"saved_epochs": 0}), stripes, Run(tmp_path / "none"))
    assert Run(tmp_path / "none").saved_epochs() == []
