import json
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from simclr.cli import main
from simclr.config import PretrainConfig
from simclr.datasets import open_dataset, write_dataset
from simclr.encoder_file import read_encoder_file
from simclr.events import Stopped
from simclr.options import choices_of
from simclr.pretrain import pretrain
from simclr.runs import Run, sha256_of
from tests.simclr.conftest import stop_after, striped
from tests.worker.waiting import until

pytestmark = pytest.mark.slow

FAST = ["--epochs", "1", "--batch-size", "16", "--encoder-width", "8", "--projection-width", "16"]


class Called:
    """What a run of the command line printed and returned."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


@pytest.fixture
def simclr(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """Call the command line in this process."""

    def call(*arguments: object) -> Called:
        monkeypatch.setattr(sys, "argv", ["simclr", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capfd.readouterr()
        return Called(int(ended.value.code or 0), captured.out, captured.err)

    return call


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    write_dataset(striped(), tmp_path / "stripes")
    return tmp_path / "stripes"


def test_pretrain_transfer_embed_and_search_follow_one_another(simclr, stored: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    run, bank = tmp_path / "run", tmp_path / "bank"
    trained = simclr("pretrain", stored, "--out", run, *FAST)
    assert trained.code == 0, trained.err
    assert "loss" in trained.out
    assert "k-NN accuracy" in trained.out
    assert "Working on" in trained.err
    assert Run(run).is_complete

    for strategy in ("knn", "linear_probe"):
        scored = simclr("transfer", stored, "--encoder", run, "--strategy", strategy)
        assert scored.code == 0, scored.err
        assert re.search(r"test: accuracy [01]\.\d+ \(95 %: .*n = 24\), AUC", scored.out)
    tuned = simclr(
        "transfer", stored, "--encoder", run / "encoder.safetensors", "--strategy", "fine_tune",
        "--batch-size", 16, "--epochs", 1, "--augment-flip-p", 0,
    )  # fmt: skip
    assert tuned.code == 0, tuned.err

    assert simclr("embed", stored, "--encoder", run, "--out", bank).code == 0
    found = simclr("search", bank, "--dataset", stored, "--index", 3, "-k", 5)
    assert found.code == 0, found.err
    rows = [line.split("\t") for line in found.out.splitlines()]
    assert [row[0] for row in rows] == ["1", "2", "3", "4", "5"]
    assert "3" not in [row[1] for row in rows]
    assert {row[3] for row in rows} <= {"across", "along"}
    assert "precision@5" in found.err

    picture = tmp_path / "picture.png"
    Image.fromarray(striped().images[3].transpose(1, 2, 0)).save(picture)
    by_picture = simclr("search", bank, "--dataset", stored, "--image", picture, "--encoder", run, "-k", 1)
    assert by_picture.out.split("\t")[1] == "3"
    options = ("--image", picture, "--encoder", run, "-k", 1, "--features", "z")
    by_z = simclr("search", bank, "--dataset", stored, *options)
    assert (by_z.code, by_z.out.split("\t")[1]) == (0, "3"), by_z.err


@pytest.mark.parametrize("baseline", ["untrained", "pixels"])
def test_baselines_are_scored_by_name_and_leave_nothing(simclr, baseline: str, stored: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    assert simclr("transfer", stored, "--encoder", baseline, "--strategy", "knn").code == 0
    assert [p.name for p in tmp_path.iterdir()] == ["stripes"]


def test_results_at_two_depths_of_a_checkpoint_are_compared_on_the_same_images(  # type: ignore[no-untyped-def]
    simclr, stored: Path, tmp_path: Path
) -> None:
    assert simclr("pretrain", stored, "--out", tmp_path / "run", *FAST).code == 0
    (checkpoint,) = Run(tmp_path / "run").checkpoints()
    for block, name in ((0, "first"), (3, "last")):
        scored = simclr(
            "transfer", stored, "--encoder", checkpoint, "--block", block, "--labels-shots", 9, "--out", tmp_path / name,
            "--cache", tmp_path / "cache",
        )  # fmt: skip
        assert scored.code == 0, scored.err
        assert "learned from 18 labels" in scored.out
    assert "no image is encoded" in scored.err
    compared = simclr("compare", tmp_path / "first", tmp_path / "last")
    assert compared.code == 0, compared.err
    assert re.search(r"test: accuracy [01]\.\d+ and [01]\.\d+, n = 24; only the first is right \d+ times", compared.out)
    assert re.search(r"test: AUC [01]\.\d+ and [01]\.\d+, [+-]0\.\d+ \(95 %: .*\): p = ", compared.out)
    absent = simclr("compare", tmp_path / "first", tmp_path / "run")
    assert (absent.code, "no predictions at" in absent.err) == (2, True)


def test_a_checkpoint_without_its_finished_encoder_needs_the_images_that_it_was_trained_on(  # type: ignore[no-untyped-def]
    simclr, stored: Path, tmp_path: Path
) -> None:
    assert simclr("pretrain", stored, "--out", tmp_path / "run", *FAST).code == 0
    (checkpoint,) = Run(tmp_path / "run").checkpoints()
    Run(tmp_path / "run").encoder.unlink()
    assert simclr("transfer", stored, "--encoder", checkpoint, "--strategy", "knn").code == 0
    refused = simclr("transfer", "digits", "--encoder", checkpoint, "--strategy", "knn")
    assert (refused.code, "belongs to another image set" in refused.err) == (2, True)


def test_a_seed_names_another_untrained_encoder(simclr, stored: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    features = []
    for name in ("untrained", "untrained:0", "untrained:1"):
        bank = tmp_path / name.replace(":", "-")
        assert simclr("embed", stored, "--encoder", name, "--out", bank).code == 0
        features.append(Run(bank).features.read_bytes())
    assert features[0] == features[1] != features[2]
    refused = simclr("transfer", stored, "--encoder", "untrained:x")
    assert refused.code == 2
    assert "'x' in 'untrained:x' is no seed" in refused.err


def test_an_untrained_encoder_can_be_like_a_trained_one(simclr, stored: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    simclr("pretrain", stored, "--out", tmp_path / "run", *FAST)
    assert (
        simclr("embed", stored, "--encoder", "untrained", "--like", tmp_path / "run", "--out", tmp_path / "b").code == 0
    )
    dim = read_encoder_file(Run(tmp_path / "run").encoder).feature_dim
    assert np.load(Run(tmp_path / "b").features).shape == (96, dim)


def test_a_preview_is_a_picture_of_images_and_pairs_the_same_for_the_same_seed(
    simclr, stored: Path, tmp_path: Path
) -> None:  # type: ignore[no-untyped-def]
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        made = simclr("preview", stored, "--out", tmp_path / f"{name}.png", "--count", 4, "--seed", seed)
        assert made.code == 0, made.err
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.size == (3 * 100 + 4, 4 * 100 + 4)  # 8 pixels enlarged 12 times, and gaps of 4
    first, same, other = ((tmp_path / f"{name}.png").read_bytes() for name in "abc")
    assert first == same != other


def test_shortcuts_of_a_policy_are_told_beside_chance(simclr, stored: Path) -> None:  # type: ignore[no-untyped-def]
    told = simclr("shortcuts", stored, "--preset", "none", "--count", 32)
    assert told.code == 0, told.err
    assert "colour histogram: 1.000 (95 %: 0.943 to 1.000)" in told.out
    assert "chance: 0.0159, 1 of 63 views" in told.out


def test_the_built_in_sets_are_listed(simclr) -> None:  # type: ignore[no-untyped-def]
    listed = simclr("datasets")
    assert "digits: 1,797 grey images of 8×8, 10 classes" in listed.out
    assert "patterns: " in listed.out


def test_an_npz_file_is_imported_once_and_opened_from_its_folder(simclr, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    images = striped(120, channels=1).images[:, 0]
    np.savez(tmp_path / "set.npz", train_images=images, train_labels=np.arange(120) % 2)
    stored = simclr("import", tmp_path / "set.npz", "--out", tmp_path / "set")
    assert stored.code == 0, stored.err
    assert "120 images of 8×8, 2 classes" in stored.out
    for source in (tmp_path / "set.npz", tmp_path / "set"):
        assert simclr("transfer", source, "--encoder", "pixels", "--strategy", "knn").code == 0


def test_a_set_is_made_of_another_one_with_other_splits_and_of_that_one_with_fewer_labels(
    simclr, tmp_path: Path
) -> None:  # type: ignore[no-untyped-def]
    anew = simclr("split", "digits", "--out", tmp_path / "anew", "--train", "0.5", "--val", "0.2", "--test", "0.3")
    assert "of digits: labelled images divided anew, 50 % train, 20 % val, 30 % test" in anew.out
    few = simclr("fewer-labels", tmp_path / "anew", "--out", tmp_path / "few", "--shots", "10")
    assert "labelled images: 100 train, 360 val, 539 test; 1,797 images in all" in few.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["pretrain", "nothing", "--out", "run"], "no image set 'nothing': give digits, patterns"),
        (["pretrain", "STORED"], "Missing option '--out'"),
        (["pretrain", "STORED", "--out", "run", "--temperature", "0"], "--temperature is 0.0: input should be greater"),
        (["pretrain", "STORED", "--out", "run", "--temperature", "warm"], "Invalid value for '--temperature'"),
        (["pretrain", "STORED", "--out", "run", "--encoder-architecture", "vit"], "'vit' is not one of"),
        (["pretrain", "STORED", "--out", "run"], "batch_size is 128 but there are only 48 training images"),
        (["pretrain", "STORED", "--out", "run", "--tempreature", "1"], "No such option: --tempreature"),
        (["transfer", "STORED", "--encoder", "nothing"], "no encoder at nothing"),
        (["transfer", "STORED", "--encoder", "STORED"], "no encoder at"),
        (["transfer", "STORED", "--encoder", "pixels", "--strategy", "fine_tune"], "raw pixels have no weights"),
        (
            ["transfer", "STORED", "--encoder", "pixels", "--strategy", "knn", "--epochs", "3"],
            "--epochs does not belong",
        ),
        (["transfer", "STORED", "--encoder", "pixels", "--like", "x"], "--like only goes with"),
        (["embed", "FOLDER", "--encoder", "pixels", "--out", "bank"], "files is an image"),
        (["search", "FOLDER", "--dataset", "STORED", "--index", "1"], "holds no bank: make one with"),
        (["search", "FOLDER", "--dataset", "STORED"], "give either --index or --image"),
        (["preview", "STORED", "--out", "FOLDER"], "Is a directory"),
        (["paint"], "No such command 'paint'"),
        (["split", "STORED", "--out", "new", "--train", "0.5"], "test (0.2) add up to 0.8: make it 1"),
        (["split", "STORED", "--out", "FOLDER"], "exists already: choose another folder"),
        (["fewer-labels", "STORED", "--out", "new", "--shots", "99"], "but shots is 99: choose"),
    ],
)
def test_a_mistake_ends_in_one_line_and_exit_code_2(  # type: ignore[no-untyped-def]
    simclr, arguments: list[str], message: str, stored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names = {"STORED": str(stored), "FOLDER": str(tmp_path)}
    ended = simclr(*(names.get(argument, argument) for argument in arguments))
    assert ended.code == 2
    assert message in ended.err
    assert "Traceback" not in ended.err
    # The device may be told before the mistake is found; the mistake is the last line and the only error.
    lines = ended.err.strip().splitlines()
    assert lines[-1].startswith("error: ")
    assert sum("error" in line for line in lines) == 1
    assert not Run(tmp_path / "run").is_complete


def test_a_bank_is_searched_only_with_its_own_set_and_encoder(simclr, stored: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    bank, picture = tmp_path / "bank", tmp_path / "picture.png"
    simclr("embed", stored, "--encoder", "pixels", "--out", bank)
    write_dataset(striped(seed=1), tmp_path / "others")
    other = simclr("search", bank, "--dataset", tmp_path / "others", "--index", 1)
    assert (other.code, "made of another image set" in other.err) == (2, True)
    beyond = simclr("search", bank, "--dataset", stored, "--index", 96)
    assert (beyond.code, "--index is 96 but the set has 96 images, 0 to 95" in beyond.err) == (2, True)
    headless = simclr("search", bank, "--dataset", stored, "--index", 1, "--features", "z")
    assert (headless.code, "holds no z, as its encoder has no projection head" in headless.err) == (2, True)
    Image.fromarray(striped().images[3].transpose(1, 2, 0)).save(picture)
    simclr("pretrain", stored, "--out", tmp_path / "run", *FAST)
    wrong = simclr("search", bank, "--dataset", stored, "--image", picture, "--encoder", tmp_path / "run")
    assert (wrong.code, "made by another encoder" in wrong.err) == (2, True)


def test_a_finished_run_is_never_written_over(simclr, stored: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    simclr("pretrain", stored, "--out", tmp_path / "run", *FAST)
    again = simclr("pretrain", stored, "--out", tmp_path / "run", *FAST)
    assert (again.code, "holds a finished run already" in again.err) == (2, True)


def test_the_help_of_pretrain_names_every_choice_in_full(simclr) -> None:  # type: ignore[no-untyped-def]
    shown = simclr("pretrain", "--help").out
    assert all(choice.option + " " in shown for choice in choices_of(PretrainConfig))


def test_help_comes_without_loading_torch() -> None:
    code = "import sys\nfrom simclr.cli import app\napp(['pretrain', '--help'], standalone_mode=False)\n"
    code += "sys.exit('torch' in sys.modules or 'sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60, check=False).returncode == 0


def test_ctrl_c_ends_a_pretraining_with_130_and_says_how_to_go_on(simclr, stored: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    def interrupt() -> None:
        until(Run(tmp_path / "run").saved_epoch(0).exists, "a training at work", within_s=120)
        os.kill(os.getpid(), signal.SIGINT)

    somebody = threading.Thread(target=interrupt)
    somebody.start()
    ended = simclr("pretrain", stored, "--out", tmp_path / "run", "--epochs", "1000", *FAST[2:])
    somebody.join()
    assert ended.code == 130
    said = ended.err.strip().splitlines()[-1]
    found = re.fullmatch(r"stopped on request at step (\d+) of 3000; to go on: simclr (.*)", said)
    assert found is not None
    assert found[2] == f"pretrain {stored} --resume {tmp_path / 'run'} --out {tmp_path / 'run'}"
    [checkpoint] = Run(tmp_path / "run").checkpoints()
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == [
        checkpoint.name,
        "config.json",
        "epoch-000000.safetensors",
    ]
    assert int(found[1]) == int(checkpoint.stem.rpartition("-")[2])


def test_a_pretraining_goes_on_from_its_folder_with_its_own_recipe(simclr, stored: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    whole, first, second = (tmp_path / name for name in ("whole", "first", "second"))
    assert simclr("pretrain", stored, "--out", whole, *FAST).code == 0
    config = PretrainConfig.model_validate(json.loads((whole / "config.json").read_text())["config"])
    with pytest.raises(Stopped):
        pretrain(config, open_dataset(stored), Run(first), should_stop=stop_after(9))
    resumed = simclr("pretrain", stored, "--resume", first, "--out", first)
    assert resumed.code == 0, resumed.err
    assert "Going on after step" in resumed.err
    assert sha256_of(Run(first).encoder) == sha256_of(Run(whole).encoder)

    longer = simclr("pretrain", stored, "--resume", Run(first).checkpoints()[-1], "--out", second, "--epochs", 3)
    assert longer.code == 0, longer.err
    assert "Going on after step 3 of 9." in longer.err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--learning-rate", "0.5"], "learning_rate was 0.002, not 0.5"),
        (["--preset", "small-images"], "--preset goes with a new training"),
        (["--resume", "nowhere"], "no checkpoint at nowhere"),
        (["--resume", "."], "holds no checkpoint to go on from"),
    ],
)
def test_what_cannot_be_gone_on_with_is_refused(  # type: ignore[no-untyped-def]
    simclr, stored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert simclr("pretrain", stored, "--out", tmp_path / "run", *FAST).code == 0
    refused = simclr("pretrain", stored, "--resume", tmp_path / "run", "--out", tmp_path / "other", *options)
    assert refused.code == 2
    assert said in refused.err
    assert not (tmp_path / "other").exists()


def test_a_pretraining_without_labels_is_shown_too(simclr, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    write_dataset(striped(labelled=False), tmp_path / "set")
    shown = simclr("pretrain", tmp_path / "set", "--out", tmp_path / "run", *FAST)
    assert shown.code == 0, shown.err
