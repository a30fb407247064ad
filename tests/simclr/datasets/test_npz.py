"""NumPy archives: MedMNIST's form becomes a set, everything else is refused with the array's name."""

import random
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from simclr.datasets import BUILTIN, DatasetError
from simclr.datasets.limits import Limits
from simclr.datasets.npz import import_npz
from simclr.datasets.store import describe, write_dataset
from tests.simclr.datasets.pictures import SHARED, pack, picture

Arrays = dict[str, NDArray[np.generic]]


def arrays(n: int = 12, *, shape: tuple[int, ...] = (8, 8)) -> Arrays:
    """All six arrays, three classes: ``n`` for training, a third of it for each of the others."""
    made: Arrays = {}
    for split, count in (("train", n), ("val", n // 3), ("test", n // 3)):
        made[f"{split}_images"] = np.random.default_rng(count).integers(0, 256, (count, *shape), dtype=np.uint8)
        made[f"{split}_labels"] = (np.arange(count) % 3).astype(np.uint8)[:, None]
    return made


def save(path: Path, content: Arrays, *, compressed: bool = True) -> Path:
    (np.savez_compressed if compressed else np.savez)(path, **content)  # type: ignore[arg-type]
    return path


def changed(name: str, value: NDArray[np.generic] | None) -> Arrays:
    content = arrays() | ({} if value is None else {name: value})
    if value is None:
        del content[name]
    return content


def header(shape: str, descr: str = "'|u1'", version: int = 1, fortran: str = "False") -> bytes:
    text = f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY" + bytes((version, 0)) + len(text).to_bytes(2 if version == 1 else 4, "little") + text


def with_member(path: Path, name: str, data: bytes) -> Path:
    """A good file with one member's bytes replaced."""
    with zipfile.ZipFile(save(path, arrays())) as archive:
        files = {member: archive.read(member) for member in archive.namelist()}
    return pack(path, files | {f"{name}.npy": data}, zipfile.ZIP_DEFLATED)


def code_of(path: Path, **options: object) -> str:
    with pytest.raises(DatasetError) as refusal:
        import_npz(path, **options)  # type: ignore[arg-type]
    return refusal.value.code


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize(("shape", "channels"), [((8, 8), 1), ((8, 8, 1), 1), ((8, 8, 3), 3)])
def test_images_arrive_as_saved(shape: tuple[int, ...], channels: int, compressed: bool, tmp_path: Path) -> None:
    content = arrays(shape=shape)
    dataset = import_npz(save(tmp_path / "a.npz", content, compressed=compressed))
    assert dataset.images.shape == (20, channels, 8, 8)
    expected = np.concatenate([content[f"{s}_images"].reshape(-1, 8, 8, channels) for s in ("train", "val", "test")])
    assert np.array_equal(dataset.images, expected.transpose(0, 3, 1, 2))
    assert dataset.classes == ("0", "1", "2")
    assert describe(dataset).split_sizes == {"train": 12, "val": 4, "test": 4}
    assert dataset.notes == ()


def test_labels_may_be_flat_and_start_anywhere(tmp_path: Path) -> None:
    content = {name: a.ravel().astype(np.int64) * 10 + 5 if "labels" in name else a for name, a in arrays().items()}
    dataset = import_npz(save(tmp_path / "a.npz", content))
    assert dataset.classes == ("5", "15", "25")
    assert set(dataset.labels) == {0, 1, 2}


def test_minus_one_is_no_label(tmp_path: Path) -> None:
    content = arrays(24)
    content["train_labels"] = content["train_labels"].astype(np.int8)
    content["train_labels"][:3] = -1
    assert (import_npz(save(tmp_path / "a.npz", content)).labels == -1).sum() == 3


def test_missing_splits_are_made(tmp_path: Path) -> None:
    content = {name: a for name, a in arrays(30).items() if name.startswith("train")}
    dataset = import_npz(save(tmp_path / "a.npz", content))
    assert describe(dataset).split_sizes == {"train": 21, "val": 3, "test": 6}
    assert len(dataset.notes) == 2


def test_images_are_resized_when_asked(tmp_path: Path) -> None:
    path = save(tmp_path / "a.npz", arrays(shape=(8, 12, 3)))
    assert import_npz(path).images.shape == (20, 3, 8, 8)
    assert import_npz(path, image_size=16).images.shape == (20, 3, 16, 16)
    assert "resized to 16 × 16" in import_npz(path, image_size=16).notes[0]
    assert code_of(path, image_size=300) == "image_size"


def test_labels_that_are_all_alike_count_as_none(tmp_path: Path) -> None:
    content = {name: a * 0 if "labels" in name else a for name, a in arrays().items()}
    dataset = import_npz(save(tmp_path / "a.npz", content))
    assert dataset.classes == ()
    assert "all images count as unlabelled" in dataset.notes[0]


def test_a_set_read_to_disk_is_the_same(tmp_path: Path) -> None:
    path = save(tmp_path / "a.npz", arrays(3000))
    on_disk = import_npz(path, scratch=tmp_path / "scratch")
    assert write_dataset(on_disk, tmp_path / "set") == describe(import_npz(path))


PICTURES = arrays()["train_images"]
REFUSED: dict[str, tuple[str, NDArray[np.generic] | None, str]] = {
    "no training images": ("train_images", None, "arrays_missing"),
    "no training labels": ("train_labels", None, "labels_missing"),
    "no test labels": ("test_labels", None, "labels_missing"),
    "no validation images": ("val_images", None, "arrays_missing"),
    "several labels an image": ("train_labels", np.zeros((12, 14), np.uint8), "multi_label"),
    "labels that are fractions": ("train_labels", np.zeros(12), "bad_dtype"),
    "labels that are words": ("train_labels", np.array(["cat"] * 12), "bad_dtype"),
    "labels below -1": ("train_labels", np.full(12, -2), "bad_labels"),
    "too few labels": ("train_labels", np.zeros((11, 1), np.uint8), "length_mismatch"),
    "images that are fractions": ("train_images", PICTURES / 255, "bad_dtype"),
    "images of 16 bits": ("train_images", PICTURES.astype(np.uint16), "bad_dtype"),
    "volumes": ("train_images", np.zeros((12, 8, 8, 8), np.uint8), "bad_shape"),
    "channels first": ("train_images", np.zeros((12, 3, 8, 8), np.uint8), "bad_shape"),
    "transparency": ("train_images", np.zeros((12, 8, 8, 4), np.uint8), "bad_shape"),
    "flat images": ("train_images", np.zeros((12, 64), np.uint8), "bad_shape"),
    "images of two sizes": ("test_images", np.zeros((4, 9, 9), np.uint8), "bad_shape"),
    "images in columns": ("train_images", np.asfortranarray(PICTURES), "bad_shape"),
    "no images at all": ("train_images", PICTURES[:0], "bad_shape"),
    "images of no size": ("train_images", np.zeros((12, 0, 8), np.uint8), "bad_shape"),
    "a number for images": ("train_images", np.array(3, np.uint8), "bad_shape"),
    "one image to a class": ("train_labels", np.array([0] * 11 + [9]), "taken"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_is_judged_that_has(name: str, tmp_path: Path) -> None:
    array, value, code = REFUSED[name]
    path = save(tmp_path / "a.npz", changed(array, value))
    if code == "taken":
        assert len(import_npz(path)) == 20
    else:
        assert code_of(path) == code
    assert list(tmp_path.iterdir()) == [path]


def test_python_objects_are_never_unpickled(tmp_path: Path) -> None:
    canary = tmp_path / "canary"

    class Payload:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (canary,))  # type: ignore[return-value]

    for name in ("train_images", "train_labels"):
        path = save(tmp_path / "a.npz", changed(name, np.array([Payload()] * 12, dtype=object)))
        assert code_of(path) == "pickled_array"
    assert not canary.exists()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x93NUMPY",
        b"cos\nsystem\n(S'id'\ntR.",
        header("(12, 8, 8)"),
        header("(10**12, 8, 8)") + bytes(768),
        header("(1000000000000, 8, 8)") + bytes(768),
        header("(-12, 8, 8)") + bytes(768),
        header("(12, 8, 8)", "'|V999999999999'") + bytes(768),
        header("(12, 8, 8)", "[('a', '|u1')]") + bytes(768),
        header("(12, 8, 8)", "'|O'") + bytes(768),
        header("(12, 8, 8)", version=3) + bytes(768),
        header("(12, 8, 8)", version=9) + bytes(768),
        header("(" * 3000) + bytes(768),
        header("__import__('os').getpid()") + bytes(768),
        b"\x93NUMPY\x02\x00" + (2**32 - 1).to_bytes(4, "little") + bytes(768),
        header("(12, 8, 8)") + bytes(769),
    ],
)
def test_an_array_whose_header_lies_is_refused_before_it_is_read(data: bytes, tmp_path: Path) -> None:
    codes = ("broken_archive", "bad_shape", "bad_dtype", "pickled_array")
    assert code_of(with_member(tmp_path / "a.npz", "train_images", data)) in codes


def test_a_bomb_of_zeros_is_refused(tmp_path: Path) -> None:
    content = arrays() | {"train_images": np.zeros((12, 2000, 2000), np.uint8)}
    assert code_of(save(tmp_path / "a.npz", content)) == "archive_bomb"


def test_more_pixels_than_may_be_stored_are_refused(tmp_path: Path) -> None:
    assert code_of(save(tmp_path / "a.npz", arrays()), limits=Limits(stored_bytes=20 * 64 - 1)) == "too_large"


def test_other_archives_are_refused_with_what_they_hold(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.npz", {"../x.npy": b"x"})
    assert code_of(path) == "path_outside"
    with pytest.raises(DatasetError, match=r"it holds 'images\.npy'"):
        import_npz(save(tmp_path / "b.npz", {"images": PICTURES}))
    buffer = BytesIO()
    np.save(buffer, PICTURES)
    (tmp_path / "c.npz").write_bytes(buffer.getvalue())
    assert code_of(tmp_path / "c.npz") == "broken_archive"


def test_no_damage_to_a_file_escapes_as_another_error(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    whole = save(path, arrays(), compressed=False).read_bytes()
    rng = random.Random(0)
    for _ in range(200):
        data = bytearray(whole)
        for _ in range(rng.choice((1, 3, 20))):
            data[rng.randrange(len(data))] = rng.randrange(256)
        path.write_bytes(data)
        try:
            import_npz(path)
        except DatasetError:
            continue


def test_digits_come_back_from_a_file(tmp_path: Path) -> None:
    digits = BUILTIN["digits"]()
    content: Arrays = {}
    for split in ("train", "val", "test"):
        content[f"{split}_images"] = digits.images[digits.indices(split), 0]  # type: ignore[arg-type]
        content[f"{split}_labels"] = digits.labels[digits.indices(split)]  # type: ignore[arg-type]
    dataset = import_npz(save(tmp_path / "a.npz", content))
    assert describe(dataset).counts == describe(digits).counts
    assert np.array_equal(np.sort(dataset.images.ravel()), np.sort(digits.images.ravel()))


def test_pneumoniamnist_is_read() -> None:
    path = SHARED / "pneumoniamnist.npz"
    if not path.exists():
        pytest.skip("PneumoniaMNIST is not on this machine")
    info = describe(import_npz(path))
    assert (info.n, info.channels, info.image_size, info.classes) == (5030, 1, 28, ["0", "1"])
    assert info.counts == {"train": [388, 3494], "val": [135, 389], "test": [234, 390]}


def test_pictures_are_not_confused(tmp_path: Path) -> None:
    content = arrays(shape=(8, 8, 3))
    content["train_images"][7] = picture(7)
    assert np.array_equal(import_npz(save(tmp_path / "a.npz", content)).images[7], picture(7).transpose(2, 0, 1))
