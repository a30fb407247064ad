"""Published sets: each file format is read to the right pixels, labels and splits, and broken files are refused."""

import gzip
import io
import struct
import tarfile
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from simclr.datasets import Dataset, DatasetError
from simclr.datasets.importer import import_in_child
from simclr.datasets.published import read_source
from simclr.datasets.sources import SOURCES
from simclr.datasets.store import describe, open_dataset
from tests.simclr.datasets.hostile_tars import tarred
from tests.simclr.datasets.pictures import encoded, pack, picture

RNG = np.random.default_rng(0)
LETTERS = [f"class{i}" for i in range(10)]


def pixels(n: int, *shape: int) -> np.ndarray:
    return RNG.integers(0, 256, (n, *shape), dtype=np.uint8)


def ten(n: int) -> np.ndarray:
    return np.arange(n, dtype=np.uint8) % 10


def cifar10(folder: Path, train: int = 40, test: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """Five batches and a test batch; all images and labels, in the set's order."""
    images, labels = pixels(5 * train + test, 3, 32, 32), ten(5 * train + test)
    records = np.concatenate([labels[:, None], images.reshape(len(images), -1)], axis=1)
    names = [f"cifar-10-batches-bin/data_batch_{i}.bin" for i in range(1, 6)] + ["cifar-10-batches-bin/test_batch.bin"]
    ends = [train * i for i in range(1, 6)]
    files = {name: part.tobytes() for name, part in zip(names, np.split(records, ends), strict=True)}
    meta = {"cifar-10-batches-bin/batches.meta.txt": ("\n".join(LETTERS) + "\n\n").encode()}
    # As published, the test batch does not come last.
    tarred(folder / "cifar-10-binary.tar.gz", dict(reversed((files | meta).items())), "w:gz")
    return images, labels


def split_images(dataset: Dataset, codes: set[int]) -> np.ndarray:
    return dataset.images[np.isin(dataset.splits, list(codes))]


def test_cifar10_arrives_as_published(tmp_path: Path) -> None:
    images, labels = cifar10(tmp_path)
    told: list[tuple[int, int]] = []
    dataset = read_source("cifar10", tmp_path, progress=lambda done, total: told.append((done, total)))
    assert np.array_equal(dataset.images, images)
    assert np.array_equal(dataset.labels, labels)
    assert (dataset.splits[200:] == 2).all()
    assert set(dataset.splits[:200].tolist()) == {0, 1}
    assert dataset.classes == tuple(LETTERS)
    assert dataset.source == "cifar10"
    assert told[-1][1] == 220
    assert describe(dataset).content_hash == describe(read_source("cifar10", tmp_path)).content_hash


def test_a_published_set_is_read_in_the_child(tmp_path: Path) -> None:
    images, _ = cifar10(tmp_path)
    info = import_in_child(tmp_path, tmp_path / "out", "cifar10")
    assert info.source == "cifar10"
    assert np.array_equal(open_dataset(tmp_path / "out").images, images)


def test_cifar100_keeps_its_superclasses_as_a_factor(tmp_path: Path) -> None:
    images = pixels(60, 3, 32, 32)
    fine, coarse = ten(60), ten(60) // 5
    records = np.concatenate([coarse[:, None], fine[:, None], images.reshape(60, -1)], axis=1)
    files = {
        "cifar-100-binary/train.bin": records[:40].tobytes(),
        "cifar-100-binary/test.bin": records[40:].tobytes(),
        "cifar-100-binary/fine_label_names.txt": "\n".join(LETTERS).encode(),
        "cifar-100-binary/coarse_label_names.txt": b"low\nhigh\n",
    }
    tarred(tmp_path / "cifar-100-binary.tar.gz", files, "w:gz")
    dataset = read_source("cifar100", tmp_path)
    assert np.array_equal(dataset.images[:20], images[40:])
    assert (dataset.splits[:20] == 2).all()
    assert np.array_equal(dataset.labels[20:], fine[:40])
    assert np.array_equal(dataset.factors["superclass"][20:], coarse[:40])


def stl10(folder: Path) -> dict[str, np.ndarray]:
    parts = {"train": pixels(40, 3, 96, 96), "test": pixels(20, 3, 96, 96), "unlabeled": pixels(7, 3, 96, 96)}
    files = {f"stl10_binary/{k}_X.bin": v.transpose(0, 1, 3, 2).tobytes() for k, v in parts.items()}
    files |= {f"stl10_binary/{k}_y.bin": (ten(len(parts[k])) + 1).tobytes() for k in ("train", "test")}
    files |= {"stl10_binary/class_names.txt": "\n".join(LETTERS).encode(), "stl10_binary/fold_indices.txt": b"1 2 3"}
    tarred(folder / "stl10_binary.tar.gz", files, "w:gz")
    return parts


def test_stl10_has_its_unlabelled_images_in_train(tmp_path: Path) -> None:
    parts = stl10(tmp_path)
    dataset = read_source("stl10", tmp_path, image_size=96)
    assert np.array_equal(dataset.images, np.concatenate(list(parts.values())))
    assert dataset.labels.tolist() == [*ten(40), *ten(20), *[-1] * 7]
    assert (dataset.splits[60:] == 0).all()
    assert (dataset.splits[40:60] == 2).all()
    assert read_source("stl10", tmp_path).image_size == 64


def test_stl10_is_read_as_torchvision_reads_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torchvision = pytest.importorskip("torchvision")
    stl10(tmp_path)
    with tarfile.open(tmp_path / "stl10_binary.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    monkeypatch.setattr(torchvision.datasets.STL10, "_check_integrity", lambda _: True)
    dataset = read_source("stl10", tmp_path, image_size=96)
    for split, part in (("train", slice(0, 40)), ("test", slice(40, 60)), ("unlabeled", slice(60, 67))):
        theirs = torchvision.datasets.STL10(str(tmp_path), split)
        assert np.array_equal(theirs.data, dataset.images[part])
        assert np.array_equal(theirs.labels, dataset.labels[part])


def idx(data: np.ndarray) -> bytes:
    return gzip.compress(struct.pack(f">BBBB{data.ndim}I", 0, 0, 8, data.ndim, *data.shape) + data.tobytes())


def fashion(folder: Path, train: int = 50, test: int = 20) -> tuple[np.ndarray, np.ndarray]:
    images, labels = pixels(train + test, 28, 28), ten(train + test)
    for stem, part in (("train", slice(0, train)), ("t10k", slice(train, None))):
        (folder / f"{stem}-images-idx3-ubyte.gz").write_bytes(idx(images[part]))
        (folder / f"{stem}-labels-idx1-ubyte.gz").write_bytes(idx(labels[part]))
    return images, labels


def test_fashionmnist_arrives_as_published(tmp_path: Path) -> None:
    images, labels = fashion(tmp_path)
    dataset = read_source("fashionmnist", tmp_path)
    assert np.array_equal(dataset.images[:, 0], images)
    assert np.array_equal(dataset.labels, labels)
    assert (dataset.splits[50:] == 2).all()
    assert dataset.classes[9] == "ankle boot"
    assert read_source("fashionmnist", tmp_path, image_size=32).image_size == 32


def medmnist(
    folder: Path, name: str, channels: tuple[int, ...], labels: int = 1, classes: int = 9
) -> dict[str, np.ndarray]:
    arrays: dict[str, np.ndarray] = {}
    for split, n in (("train", 36), ("val", 18), ("test", 18)):
        arrays[f"{split}_images"] = pixels(n, 28, 28, *channels)
        known = np.arange(n)[:, None] % classes if labels == 1 else RNG.integers(0, 2, (n, labels))
        arrays[f"{split}_labels"] = known.astype(np.uint8)
    np.savez_compressed(folder / f"{name}.npz", **arrays)
    return arrays


def test_medmnist_classes_have_their_names(tmp_path: Path) -> None:
    arrays = medmnist(tmp_path, "pathmnist", (3,))
    dataset = read_source("pathmnist", tmp_path)
    assert dataset.classes == SOURCES["pathmnist"].classes
    assert np.array_equal(dataset.images[:36], arrays["train_images"].transpose(0, 3, 1, 2))
    assert describe(dataset).split_sizes == {"train": 36, "val": 18, "test": 18}
    assert dataset.source == "pathmnist"


def test_findings_that_may_come_together_are_factors(tmp_path: Path) -> None:
    arrays = medmnist(tmp_path, "chestmnist", (), labels=14)
    dataset = read_source("chestmnist", tmp_path)
    assert dataset.classes == ()
    assert set(dataset.labels.tolist()) == {-1}
    assert set(dataset.factors) == set(SOURCES["chestmnist"].classes)
    assert np.array_equal(dataset.factors["hernia"][:36], arrays["train_labels"][:, 13])


def test_a_label_without_a_name_is_refused(tmp_path: Path) -> None:
    medmnist(tmp_path, "octmnist", (), classes=5)
    with pytest.raises(DatasetError) as refusal:
        read_source("octmnist", tmp_path)
    assert refusal.value.code == "bad_labels"


def test_imagenette_and_eurosat_are_folders_of_classes(tmp_path: Path) -> None:
    ids = ["n01440764", "n02102040", "n02979186", "n03000684", "n03028079", "n03394916", "n03417042", "n03425413",
           "n03445777", "n03888257"]  # fmt: skip
    jpeg = [encoded(picture(i, size=40), "JPEG") for i in range(20)]
    files = {
        f"imagenette2-160/{s}/{w}/{i}.JPEG": jpeg[i]
        for s, n in (("train", 5), ("val", 2))
        for w in ids
        for i in range(n)
    }
    tarred(
        tmp_path / "imagenette2-160.tgz",
        files | {"imagenette2-160/noisy_imagenette.csv": b"path,noisy_labels_0\nx,y\n"},
        "w:gz",
    )
    dataset = read_source("imagenette160", tmp_path)
    assert dataset.classes[0] == "tench"
    assert dataset.classes[9] == "parachute"
    assert describe(dataset).split_sizes == {"train": 40, "val": 10, "test": 20}
    pack(tmp_path / "EuroSAT.zip", {f"2750/{c}/{c}_{i}.jpg": jpeg[i] for c in ("Forest", "River") for i in range(20)})
    assert read_source("eurosat", tmp_path).classes == ("Forest", "River")


def test_files_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"cifar-10-binary.tar.gz is not in .*: download CIFAR-10 first") as refusal:
        read_source("cifar10", tmp_path)
    assert refusal.value.code == "files_missing"


def broken_cifar(change: dict[str, bytes | None]) -> bytes:
    record = bytes(3073)
    files: dict[str, bytes | None] = {
        "c/data_batch_1.bin": record * 4, "c/test_batch.bin": record * 2, "c/batches.meta.txt": b"a\nb\n", **change,
    }  # fmt: skip
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, data in files.items():
            if data is not None:
                info = tarfile.TarInfo(name)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no archive",
        broken_cifar({})[:-20],
        broken_cifar({"c/batches.meta.txt": None}),
        broken_cifar({"c/batches.meta.txt": b""}),
        broken_cifar({"c/data_batch_1.bin": bytes(3072)}),
        broken_cifar({"c/data_batch_1.bin": b""}),
        broken_cifar({"c/data_batch_1.bin": (b"\x07" + bytes(3072)) * 4}),
    ],
    ids=count(),
)
def test_a_broken_file_of_cifar_is_refused(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "cifar-10-binary.tar.gz").write_bytes(data)
    with pytest.raises(DatasetError) as refusal:
        read_source("cifar10", tmp_path)
    assert refusal.value.code == "broken_archive"


@pytest.mark.parametrize(
    "data",
    [
        b"", b"x" * 50, gzip.compress(b""), idx(pixels(3, 28)), idx(pixels(50, 28, 28))[:-30], idx(pixels(49, 28, 28)),
        gzip.compress(struct.pack(">BBBB3I", 0, 0, 8, 3, 2**31, 2**31, 2**31)),
        gzip.compress(struct.pack(">BBBB3I", 0, 0, 8, 3, 0, 28, 28)),
        gzip.compress(struct.pack(">BBBB3I", 0, 0, 13, 3, 50, 28, 28) + bytes(50 * 28 * 28)),
    ],
    ids=count(),
)  # fmt: skip
def test_a_broken_file_of_fashionmnist_is_refused(data: bytes, tmp_path: Path) -> None:
    fashion(tmp_path)
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(data)
    with pytest.raises(DatasetError) as refusal:
        read_source("fashionmnist", tmp_path)
    assert refusal.value.code == "broken_archive"
