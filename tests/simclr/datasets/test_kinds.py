from pathlib import Path

import numpy as np
import pytest

from simclr.datasets import Dataset, write_dataset
from simclr.datasets.kinds import kinds_of
from simclr.datasets.store import KINDS
from simclr.datasets.variants import SplitsVariant, write_variant


@pytest.fixture
def expected(stripes: Dataset) -> list[int]:
    """For each image of ``stripes``, which has doubles of image 7, the first with its pixels; by brute force."""
    stripes.images[[40, 41]] = stripes.images[7]
    found = [next(j for j in range(len(stripes)) if (stripes.images[j] == image).all()) for image in stripes.images]
    assert found[40:42] == [7, 7]
    return found


def test_same_pixels_are_found_when_a_set_is_written_and_no_more(
    tmp_path: Path, stripes: Dataset, expected: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_dataset(stripes, tmp_path / "set")
    monkeypatch.delattr("simclr.datasets.store.first_of_kind")
    monkeypatch.delattr("simclr.datasets.kinds.first_of_kind")
    write_variant(tmp_path / "set", tmp_path / "variant", SplitsVariant())
    for folder in ("set", "variant"):
        assert kinds_of(tmp_path / folder).tolist() == expected


@pytest.mark.parametrize("harm", [None, b"", b"\x93NUMPY damaged"])
def test_a_set_without_them_as_of_older_versions_is_looked_at_once(
    tmp_path: Path, stripes: Dataset, expected: list[int], harm: bytes | None
) -> None:
    write_dataset(stripes, tmp_path)
    (tmp_path / KINDS).unlink() if harm is None else (tmp_path / KINDS).write_bytes(harm)
    assert kinds_of(tmp_path).tolist() == expected
    assert np.load(tmp_path / KINDS).tolist() == expected
