"""Downloads: whole, resumed, checked; and whatever goes wrong, the person is told which file to put where."""

import hashlib
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest

from simclr.datasets import DatasetError
from simclr.datasets.download import ATTEMPTS, download, missing_files
from simclr.datasets.sources import SOURCES, RemoteFile, Source
from simclr.events import Stopped
from tests.simclr.datasets.publisher import Publisher, serving

DATA = np.random.default_rng(0).integers(0, 256, 1_000_000, dtype=np.uint8).tobytes()
MORE = b"labels of all of them"


def file_of(name: str, data: bytes) -> RemoteFile:
    return RemoteFile(name, f"https://example.invalid/{name}", hashlib.md5(data, usedforsecurity=False).hexdigest())


SOURCE = replace(SOURCES["fashionmnist"], files=(file_of("images.gz", DATA), file_of("labels.gz", MORE)))
FILES = {"images.gz": DATA, "labels.gz": MORE}
waited: list[float] = []


def fetch(publisher: Publisher, folder: Path, source: Source = SOURCE, **options: object) -> list[Path]:
    waited.clear()
    return download(source, folder, mirror=publisher.address, pause=waited.append, **options)  # type: ignore[arg-type]


def refusal(publisher: Publisher, folder: Path, source: Source = SOURCE) -> DatasetError:
    with pytest.raises(DatasetError) as refused:
        fetch(publisher, folder, source)
    return refused.value


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_files_arrive_whole_with_progress_and_are_not_fetched_twice(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    with serving(Publisher(FILES)) as publisher:
        paths = fetch(publisher, tmp_path / "new", progress=lambda done, total: told.append((done, total)))
        assert [path.name for path in paths] == ["images.gz", "labels.gz"]
        assert contents(tmp_path / "new") == FILES
        assert told[-1] == (len(MORE), len(MORE))
        assert (len(DATA), len(DATA)) in told
        first = [done for done, total in told if total == len(DATA)]
        assert first == sorted(first)
        assert len(first) >= 4
        fetch(publisher, tmp_path / "new")
        assert len(publisher.asked) == 2


def test_a_broken_download_goes_on_where_it_stopped(tmp_path: Path) -> None:
    with serving(Publisher(FILES, drops=[300_000, 200_000])) as publisher:
        fetch(publisher, tmp_path)
    assert contents(tmp_path) == FILES
    assert publisher.asked[:3] == [
        ("images.gz", None), ("images.gz", "bytes=300000-"), ("images.gz", "bytes=500000-"),
    ]  # fmt: skip
    assert waited == [1.0, 2.0]


def test_a_download_goes_on_after_a_restart(tmp_path: Path) -> None:
    (tmp_path / "images.gz.part").write_bytes(DATA[:123_456])
    with serving(Publisher(FILES)) as publisher:
        fetch(publisher, tmp_path)
    assert publisher.asked[0] == ("images.gz", "bytes=123456-")
    assert contents(tmp_path) == FILES


def test_a_server_that_knows_no_ranges_sends_all_of_it_again(tmp_path: Path) -> None:
    with serving(Publisher(FILES, knows_ranges=False, drops=[300_000])) as publisher:
        fetch(publisher, tmp_path)
    assert publisher.asked[1] == ("images.gz", "bytes=300000-")
    assert contents(tmp_path) == FILES


def test_a_beginning_that_was_whole_already_is_only_checked(tmp_path: Path) -> None:
    (tmp_path / "images.gz.part").write_bytes(DATA)
    with serving(Publisher(FILES)) as publisher:
        fetch(publisher, tmp_path)
    assert contents(tmp_path) == FILES


@pytest.mark.parametrize("beginning", [b"of another file" * 100, DATA + b"and more"])
def test_a_wrong_beginning_is_thrown_away_so_that_the_next_attempt_succeeds(beginning: bytes, tmp_path: Path) -> None:
    (tmp_path / "images.gz.part").write_bytes(beginning)
    with serving(Publisher(FILES)) as publisher:
        assert refusal(publisher, tmp_path).code == "checksum"
        assert contents(tmp_path) == {}
        fetch(publisher, tmp_path)
    assert contents(tmp_path) == FILES


def test_a_wrong_checksum_is_refused_and_nothing_kept(tmp_path: Path) -> None:
    with serving(Publisher(FILES | {"images.gz": DATA[:-1] + b"!"})) as publisher:
        refused = refusal(publisher, tmp_path)
    assert refused.code == "checksum"
    assert SOURCE.files[0].md5 in str(refused)
    assert contents(tmp_path) == {}


def test_a_wrong_file_that_somebody_put_there_is_named_and_left(tmp_path: Path) -> None:
    (tmp_path / "images.gz").write_bytes(b"mine")
    with serving(Publisher(FILES)) as publisher:
        refused = refusal(publisher, tmp_path)
    assert refused.code == "checksum"
    assert f"remove {tmp_path / 'images.gz'}" in str(refused)
    assert contents(tmp_path) == {"images.gz": b"mine"}
    assert publisher.asked == []


def test_without_a_network_the_file_and_its_place_are_named(tmp_path: Path) -> None:
    with serving(Publisher(FILES)) as publisher:
        pass  # nobody listens there any more
    refused = refusal(publisher, tmp_path)
    assert refused.code == "offline"
    assert f"fetch images.gz elsewhere and put it into {tmp_path}" in str(refused)
    assert publisher.address in str(refused)
    assert waited == [1.0, 2.0, 4.0, 8.0]


def test_a_connection_that_always_drops_keeps_what_has_come(tmp_path: Path) -> None:
    with serving(Publisher(FILES, drops=[1000] * ATTEMPTS)) as publisher:
        refused = refusal(publisher, tmp_path)
        assert refused.code == "offline"
        assert f"{1000 * ATTEMPTS:,} bytes are kept" in str(refused)
        fetch(publisher, tmp_path)
    assert contents(tmp_path) == FILES


def test_a_file_that_is_not_there_is_not_asked_for_again(tmp_path: Path) -> None:
    with serving(Publisher({})) as publisher:
        refused = refusal(publisher, tmp_path)
    assert refused.code == "download_failed"
    assert "404" in str(refused)
    assert len(publisher.asked) == 1


def test_a_server_that_is_busy_for_a_while_is_asked_again(tmp_path: Path) -> None:
    with serving(Publisher(FILES, statuses=[503, 429])) as publisher:
        fetch(publisher, tmp_path)
    assert contents(tmp_path) == FILES


def test_a_stopped_download_keeps_its_beginning(tmp_path: Path) -> None:
    with serving(Publisher(FILES)) as publisher:
        with pytest.raises(Stopped):
            fetch(publisher, tmp_path, should_stop=lambda: True)
        kept = (tmp_path / "images.gz.part").stat().st_size
        assert 0 < kept < len(DATA)
        fetch(publisher, tmp_path)
        assert publisher.asked[1] == ("images.gz", f"bytes={kept}-")
    assert contents(tmp_path) == FILES


def test_two_downloads_of_one_file_do_not_meet(tmp_path: Path) -> None:
    seen: list[str] = []

    def second() -> bool:
        seen.append(refusal(publisher, tmp_path).code)
        return False

    with serving(Publisher({"images.gz": DATA})) as publisher:
        fetch(publisher, tmp_path, replace(SOURCE, files=SOURCE.files[:1]), should_stop=second)
    assert set(seen) == {"busy"}
    assert contents(tmp_path) == {"images.gz": DATA}


def test_a_full_disk_is_told_before_it_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from simclr.datasets import download as module

    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 10})())
    with serving(Publisher(FILES)) as publisher:
        assert refusal(publisher, tmp_path).code == "disk_full"


def test_only_the_web_is_asked(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="neither http nor https"):
        download(SOURCE, tmp_path, mirror="file:///etc")


def test_missing_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "labels.gz").write_bytes(b"")
    assert missing_files(SOURCE, tmp_path) == ["images.gz"]


def test_every_source_is_complete_and_lies_on_the_web() -> None:
    assert {"cifar10", "cifar100", "stl10", "fashionmnist", "imagenette160", "eurosat"} < SOURCES.keys()
    assert sum(name.endswith("mnist") for name in SOURCES) == 13
    for name, source in SOURCES.items():
        assert source.name == name
        assert source.about.endswith(".")
        assert source.licence
        assert source.reference
        for file in source.files:
            assert urlsplit(file.url).scheme in ("http", "https")
            assert len(file.md5) == 32
            assert "/" not in file.name


def test_addresses_and_sums_are_those_of_torchvision() -> None:
    datasets = pytest.importorskip("torchvision.datasets")
    known = {file.name: file.md5 for source in SOURCES.values() for file in source.files}
    assert known["stl10_binary.tar.gz"] == datasets.STL10.tgz_md5
    assert SOURCES["stl10"].files[0].url == datasets.STL10.url
    assert {name: known[name] for name, _ in datasets.FashionMNIST.resources} == dict(datasets.FashionMNIST.resources)
    for size in ("160px", "320px"):
        url, md5 = datasets.Imagenette._ARCHIVES[size]
        source = SOURCES[f"imagenette{size.removesuffix('px')}"]
        assert (source.files[0].url, source.files[0].md5) == (url, md5)
        assert source.classes == tuple(names[0] for _, names in sorted(datasets.Imagenette._WNID_TO_CLASS.items()))


def test_a_downloaded_set_has_a_name_on_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:  # type: ignore[no-untyped-def]
    from simclr import cli
    from tests.simclr.datasets.test_published import cifar10

    (tmp_path / "published").mkdir()
    cifar10(tmp_path / "published")
    data = (tmp_path / "published" / "cifar-10-binary.tar.gz").read_bytes()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def run(*arguments: str) -> object:
        monkeypatch.setattr("sys.argv", ["simclr", *arguments])
        with pytest.raises(SystemExit) as end:
            cli.main()
        return end.value.code

    assert run("report", "cifar10") == 2
    assert "CIFAR-10 is not here yet: run 'simclr download cifar10'" in capsys.readouterr().err
    with serving(Publisher({"cifar-10-binary.tar.gz": data})) as publisher:
        file = replace(file_of("cifar-10-binary.tar.gz", data), url=f"{publisher.address}/cifar-10-binary.tar.gz")
        monkeypatch.setitem(SOURCES, "cifar10", replace(SOURCES["cifar10"], files=(file,)))
        assert run("download", "cifar10") == 0
    assert (tmp_path / "cache/simclr/cifar10/cifar-10-binary.tar.gz").read_bytes() == data
    assert run("import", "cifar10", "--out", str(tmp_path / "set")) == 0
    assert "220 images of 32×32, 10 classes" in capsys.readouterr().out
    assert run("download", "atlantis") == 2
    assert "no published set 'atlantis'" in capsys.readouterr().err
