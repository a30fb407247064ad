from pathlib import Path

import numpy as np
import pytest

from simclr.datasets import Dataset, write_dataset
from simclr.datasets.kinds import KINDS, kinds_of


@pytest.mark.parametrize("harm", [None, b"", b"\x93NUMPY damaged"])
def test_same_pixels_are_found_once_and_kept(tmp_path: Path, stripes: Dataset, harm: bytes | None) -> None:
    stripes.images[[40, 41]] = stripes.images[7]
    write_dataset(stripes, tmp_path)
    expected = [next(j for j in range(len(stripes)) if (stripes.images[j] == image).all()) for image in stripes.images]
    assert expected[40:42] == [7, 7]
    assert kinds_of(tmp_path).tolist() == expected
    if harm is not None:
        (tmp_path / KINDS).write_bytes(harm)
        assert kinds_of(tmp_path).tolist() == expected
    assert np.load(tmp_path / KINDS).tolist() == expected
