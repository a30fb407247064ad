from pathlib import Path

import numpy as np

from backend.deletion import delete_files
from backend.jobs.features import features_folder
from simclr.datasets import write_dataset
from simclr.feature_cache import FeatureCache, FeatureKey
from tests.simclr.conftest import striped


def test_a_deleted_set_takes_its_features_along_and_no_others(tmp_path: Path) -> None:
    info = write_dataset(striped(8), tmp_path / "datasets/one")
    cache = FeatureCache(features_folder(tmp_path))
    keys = [FeatureKey(hashed, "b" * 64, "3", "cpu") for hashed in (info.content_hash, "c" * 64)]
    for key in keys:
        cache.write(key, np.zeros((8, 2), np.float32))
    delete_files(tmp_path, "datasets/one")
    assert cache.read(keys[0]) is None
    assert cache.read(keys[1]) is not None
    delete_files(tmp_path, "datasets/gone")
