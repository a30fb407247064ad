"""The limited child: it imports what is good, and whatever else happens, its end is told and nothing is left behind."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from simclr.datasets import DatasetError, DatasetInfo, open_dataset
from simclr.datasets.importer import REFUSED, import_in_child, main
from simclr.datasets.origin import read_origin
from simclr.datasets.store import describe
from simclr.events import Stopped
from tests.simclr.datasets.hostile_archives import REFUSED as REFUSED_ARCHIVES
from tests.simclr.datasets.hostile_images import REFUSED as REFUSED_IMAGES
from tests.simclr.datasets.hostile_tars import REFUSED as REFUSED_TARS
from tests.simclr.datasets.hostile_tars import tarred
from tests.simclr.datasets.pictures import class_folders, encoded, pack, png

pytestmark = pytest.mark.slow

DEADLINE_S = 30.0

# Processes like the importing child, but forked from one that has loaded its modules: a start costs half a second of a core.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload([__name__])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where sets are made; uploads lie elsewhere."""
    (tmp_path / "sets").mkdir()
    return tmp_path / "sets"


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return pack(tmp_path / "good.zip", class_folders())


@pytest.fixture
def long(tmp_path: Path) -> Path:
    """An archive of some kilobytes that takes the child some seconds."""
    return blanks(tmp_path, 400)


def blanks(folder: Path, n: int) -> Path:
    blank = encoded(Image.new("RGB", (1500, 1500)))
    return pack(folder / "blanks.zip", {f"{i}.png": blank for i in range(n)})


def eventually(found: Callable[[], object]) -> object:
    end = time.monotonic() + DEADLINE_S
    while time.monotonic() < end:
        if result := found():
            return result
        threading.Event().wait(0.01)
    raise AssertionError("it did not happen in time")


def child_importing(source: Path) -> int | None:
    """The process that reads ``source``, once it has begun to decode."""
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes().split(b"\0")
            if b"simclr.datasets.importer" in command and bytes(source) in command and list_scratch(entry):
                return int(entry.name)
        except OSError:
            continue
    return None


def list_scratch(process: Path) -> bool:
    return "scratch" in (process / "maps").read_text()


def code_of(source: Path, out: Path, kind: str = "zip", **options: float) -> str:
    with pytest.raises(DatasetError) as refusal:
        import_in_child(source, out, kind, **options)  # type: ignore[arg-type]
    return refusal.value.code


def answer(arguments: list[str], to: Path) -> None:
    """What the child does, but it answers into a file."""
    with to.open("w") as sys.stdout:
        code = main(arguments)
    sys.exit(code)


def code_of_confined(source: Path, out: Path, kind: str, tmp_path: Path) -> str:
    """The code with which a process under the child's limits refuses."""
    said = tmp_path / "answer"
    process = FORKS.Process(target=answer, args=([str(source), str(out), "--format", kind], said))
    process.start()
    process.join(DEADLINE_S)
    assert process.exitcode == REFUSED
    code: str = json.loads(said.read_text())["code"]
    said.unlink()
    return code


def test_the_set_stands_where_it_was_asked_for_and_nothing_beside_it(good: Path, folder: Path) -> None:
    info = import_in_child(good, folder / "a", "zip", image_size=16)
    assert list(folder.iterdir()) == [folder / "a"]
    assert sorted(p.name for p in (folder / "a").iterdir()) == [
        "dataset.json",
        "images.npy",
        "kinds.npy",
        "labels.npy",
        "origin.json",
        "splits.npy",
    ]
    assert info == describe(open_dataset(folder / "a"))
    assert (info.n, info.image_size) == (30, 16)


def test_the_command_prints_one_line_and_exits_0(good: Path, folder: Path) -> None:
    result = command(good, folder / "a")
    assert result.returncode == 0
    assert len(result.stdout.splitlines()) == 1
    answer = json.loads(result.stdout)
    assert answer.keys() == {"ok", "info"}
    assert DatasetInfo.model_validate(answer["info"]).n == 30


def test_the_command_says_why_it_refuses_and_exits_78(tmp_path: Path, folder: Path) -> None:
    result = command(pack(tmp_path / "bad.zip", {"../x.png": png()}), folder / "a")
    assert result.returncode == 78
    answer = json.loads(result.stdout)
    assert answer.keys() == {"ok", "code", "message"}
    assert (answer["ok"], answer["code"]) == (False, "path_outside")
    assert list(folder.iterdir()) == []


def command(source: Path, out: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "simclr.datasets.importer", source, out, "--format", "zip"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("name", ["climbs out", "is a bomb"])
def test_a_refusal_reaches_the_caller_and_leaves_nothing(name: str, tmp_path: Path, folder: Path) -> None:
    build, code = REFUSED_ARCHIVES[name]
    assert code_of(build(tmp_path / "bad.zip"), folder / "a") == code
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("name", REFUSED_ARCHIVES)
def test_every_hostile_archive_leaves_nothing(name: str, tmp_path: Path, folder: Path) -> None:
    build, code = REFUSED_ARCHIVES[name]
    assert code_of_confined(build(tmp_path / "bad.zip"), folder / "a", "zip", tmp_path) == code
    assert list(folder.iterdir()) == []
    assert {p.name for p in tmp_path.iterdir()} == {"bad.zip", "sets"}


@pytest.mark.parametrize(
    "name", [name for name in REFUSED_TARS if "bomb" in name or "memory" in name or "link" in name]
)
def test_the_costliest_tars_are_refused_within_the_limits(name: str, tmp_path: Path, folder: Path) -> None:
    build, code = REFUSED_TARS[name]
    assert code_of_confined(build(tmp_path / "bad.tar"), folder / "a", "tar", tmp_path) == code
    assert list(folder.iterdir()) == []
    assert {p.name for p in tmp_path.iterdir()} == {"bad.tar", "sets"}


@pytest.mark.parametrize("name", REFUSED_IMAGES)
def test_every_hostile_picture_is_refused_within_the_limits(name: str, tmp_path: Path, folder: Path) -> None:
    build, code = REFUSED_IMAGES[name]
    bad = pack(tmp_path / "bad.zip", {"evil.png": build(), "good.png": png()})
    assert code_of_confined(bad, folder / "a", "zip", tmp_path) in (code, "decoder_died", "archive_bomb")
    assert list(folder.iterdir()) == []


def test_a_child_that_takes_too_long_is_killed(long: Path, folder: Path) -> None:
    assert code_of(long, folder / "a", timeout_s=0.8) == "timed_out"
    assert list(folder.iterdir()) == []
    assert child_importing(long) is None


def test_a_child_that_dies_is_reported_and_leaves_nothing(long: Path, folder: Path) -> None:
    codes: list[str] = []
    caller = threading.Thread(target=lambda: codes.append(code_of(long, folder / "a")))
    caller.start()
    child = eventually(lambda: child_importing(long))
    assert isinstance(child, int)
    os.kill(child, signal.SIGKILL)
    caller.join(DEADLINE_S)
    assert codes == ["decoder_died"]
    assert list(folder.iterdir()) == []


def test_the_child_dies_with_its_parent(long: Path, folder: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from simclr.datasets.importer import import_in_child\n"
        "import_in_child(Path(sys.argv[1]), Path(sys.argv[2]), 'zip')"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, long, folder / "a"])
    try:
        eventually(lambda: child_importing(long))
    finally:
        parent.kill()
        parent.wait()
    eventually(lambda: child_importing(long) is None)
    assert not (folder / "a").exists()


def test_progress_reaches_the_caller_and_ends_at_the_number_of_images(tmp_path: Path, folder: Path) -> None:
    told: list[tuple[int, int]] = []
    tell = lambda done, total: told.append((done, total))  # noqa: E731
    import_in_child(blanks(tmp_path, 60), folder / "a", "zip", image_size=8, progress=tell)
    assert told[-1] == (60, 60)
    assert len(told) > 1
    assert told == sorted(set(told))


def test_a_wish_to_stop_ends_the_child_and_leaves_nothing(long: Path, folder: Path) -> None:
    children: list[object] = []

    def stop() -> bool:
        children.append(child_importing(long))
        return children[-1] is not None

    with pytest.raises(Stopped):
        import_in_child(long, folder / "a", "zip", should_stop=stop)
    assert list(folder.iterdir()) == []
    assert child_importing(long) is None


def test_the_format_of_an_archive_is_known_by_its_bytes(good: Path, folder: Path, tmp_path: Path) -> None:
    tarball = tarred(tmp_path / "set.bin", class_folders(), "w:xz")
    first, second = import_in_child(good, folder / "a", "tar"), import_in_child(tarball, folder / "b", "zip")
    assert first.content_hash == second.content_hash
    assert read_origin(folder / "a") == read_origin(folder / "b")


def test_pictures_are_padded_when_asked(folder: Path, tmp_path: Path) -> None:
    wide = pack(tmp_path / "wide.zip", {f"{i}.png": encoded(Image.new("L", (20, 10), 200)) for i in range(3)})
    import_in_child(wide, folder / "a", "zip", 8, fit="pad")
    assert open_dataset(folder / "a").images[0, 0, :, 4].tolist() == [0, 0, 200, 200, 200, 200, 0, 0]


@pytest.fixture
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIMCLR_LAB_TOKEN", "canary")


@pytest.mark.usefixtures("secret")
def test_the_child_is_told_no_secrets(long: Path, folder: Path) -> None:
    caller = threading.Thread(target=lambda: code_of(long, folder / "a"))
    caller.start()
    child = eventually(lambda: child_importing(long))
    assert isinstance(child, int)
    environment = Path(f"/proc/{child}/environ").read_bytes()
    os.kill(child, signal.SIGKILL)
    caller.join(DEADLINE_S)
    assert b"canary" not in environment


@pytest.mark.parametrize(
    ("attempt", "outcome"),
    [
        ("bytearray(2**30)", "MemoryError"),
        ("open(sys.argv[1], 'wb').truncate(2**33)", "OSError|File size"),
        ("[open('/dev/null') for _ in range(200)]", "Too many open files"),
    ],
)
def test_a_confined_process_cannot_take_more_than_its_share(attempt: str, outcome: str, tmp_path: Path) -> None:
    code = f"import sys; from simclr.datasets.limits import confine; confine(); {attempt}"
    result = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "file"], capture_output=True, text=True, check=False
    )
    assert result.returncode != 0
    assert any(part in result.stderr for part in outcome.split("|"))


def test_what_cannot_be_is_refused_before_a_child_is_started(good: Path, folder: Path) -> None:
    assert code_of(good, folder / "a", "rar") == "format"
    assert code_of(good, folder / "a", image_size=1000) == "image_size"
    (folder / "a").mkdir()
    with pytest.raises(FileExistsError, match="choose a new folder"):
        import_in_child(good, folder / "a", "zip")


def test_an_npz_under_the_name_of_a_zip_is_refused(good: Path, folder: Path) -> None:
    assert code_of(good, folder / "a", "npz") == "arrays_missing"


def test_cifar10_is_imported_within_half_a_gibibyte(cifar10: Path) -> None:
    answer, peak_kib = (cifar10 / "import.txt").read_text().splitlines()
    assert int(peak_kib) < 512 * 1024
    info = describe(open_dataset(cifar10))
    assert info.split_sizes == {"train": 45_000, "val": 5_000, "test": 10_000}
    assert (info.channels, info.image_size, len(info.classes)) == (3, 32, 10)
    assert json.loads(answer)["info"] == info.model_dump(mode="json")
