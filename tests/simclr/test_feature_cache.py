import os
from pathlib import Path

import numpy as np
import pytest

from simclr.config import EncoderConfig, KnnConfig, LabelsConfig, LinearProbeConfig
from simclr.datasets import Dataset
from simclr.encoders import image_facts, untrained_encoder
from simclr.feature_cache import DamagedFeatures, FeatureCache, FeatureKey, forget_dataset
from simclr.predictions import read_predictions
from simclr.runs import Run
from simclr.transfer import transfer
from tests.simclr.conftest import Heard

pytestmark = pytest.mark.slow

KEY = FeatureKey("a" * 64, "b" * 64, "3", "cpu")
FEATURES = np.arange(12, dtype=np.float32).reshape(4, 3)


@pytest.fixture
def cache(tmp_path: Path) -> FeatureCache:
    return FeatureCache(tmp_path / "cache")


def test_features_come_back_as_written_under_their_own_key_alone(cache: FeatureCache) -> None:
    assert cache.read(KEY) is None
    cache.write(KEY, FEATURES)
    found = cache.read(KEY)
    assert found is not None
    np.testing.assert_array_equal(found, FEATURES)
    for name in KEY._fields:
        assert cache.read(KEY._replace(**{name: "other"})) is None
    assert [path.name for path in cache.folder.iterdir()] == [KEY.file_name]


def test_a_damaged_file_is_told_and_gone(cache: FeatureCache) -> None:
    path = cache.folder / KEY.file_name
    cache.write(KEY, FEATURES)
    whole = path.read_bytes()
    # Another key whose shortened name is the same is no damage that bytes show, but its digest is another one.
    twin = KEY._replace(dataset="a" * 63 + "c")
    for content, key in ((whole[:-1], KEY), (whole[:-3] + b"\x01" + whole[-2:], KEY), (b"", KEY), (whole, twin)):
        path.write_bytes(content)
        with pytest.raises(DamagedFeatures, match="was damaged"):
            cache.read(key)
        assert not path.exists()


def test_whoever_was_used_longest_ago_goes_first(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path, limit_bytes=1000)
    keys = [KEY._replace(level=str(number)) for number in range(4)]
    for second, key in enumerate(keys[:3]):
        cache.write(key, FEATURES)
        os.utime(tmp_path / key.file_name, (second, second))
    assert cache.read(keys[0]) is not None
    cache.write(keys[3], FEATURES)
    assert {path.name for path in tmp_path.iterdir()} == {key.file_name for key in (keys[0], keys[2], keys[3])}
    cache.write(KEY._replace(level="large"), np.zeros((1000, 3), np.float32))
    assert len(list(tmp_path.iterdir())) == 3


def test_a_deleted_set_leaves_no_features(cache: FeatureCache) -> None:
    other = KEY._replace(dataset="c" * 64)
    for key in (KEY, KEY._replace(level="z"), other):
        cache.write(key, FEATURES)
    forget_dataset(cache.folder, KEY.dataset)
    assert [path.name for path in cache.folder.iterdir()] == [other.file_name]


@pytest.fixture
def encoder(tmp_path: Path, stripes: Dataset) -> Path:
    path = tmp_path / "untrained.safetensors"
    untrained_encoder(EncoderConfig(width=8), image_facts(stripes), 0, path)
    return path


def test_many_probes_of_any_depth_and_labels_cost_one_pass_and_find_the_same(
    encoder: Path, stripes: Dataset, tmp_path: Path, cache: FeatureCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Unlabelled images and another order than that of the splits.
    stripes.labels[::7] = -1
    stripes.splits[:] = np.random.default_rng(0).permutation(stripes.splits)
    configs = [
        LinearProbeConfig(),
        LinearProbeConfig(block=1, labels=LabelsConfig(shots=4)),
        LinearProbeConfig(solver="sgd", epochs=2, block=0),
        KnnConfig(k=3, labels=LabelsConfig(fraction=0.5)),
    ]
    fresh, kept = ([Run(tmp_path / f"{name}{n}") for n in range(len(configs))] for name in ("fresh", "kept"))
    for config, run in zip(configs, fresh, strict=True):
        transfer(config, encoder, stripes, run)
    transfer(configs[0], encoder, stripes, kept[0], cache=cache)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("an image was encoded again")

    monkeypatch.setattr("simclr.features.encode_images", refuse)
    for config, run in zip(configs[1:], kept[1:], strict=True):
        transfer(config, encoder, stripes, run, cache=cache)
    for once, again in zip(fresh, kept, strict=True):
        first, second = (read_predictions(run.predictions, "test") for run in (once, again))
        np.testing.assert_array_equal(first.indices, second.indices)
        np.testing.assert_allclose(first.probabilities, second.probabilities, atol=1e-5)


def test_damage_is_told_and_made_good(
    encoder: Path, stripes: Dataset, tmp_path: Path, cache: FeatureCache, heard: Heard
) -> None:
    first = transfer(KnnConfig(), encoder, stripes, Run(tmp_path / "a"), cache=cache)
    for path in cache.folder.iterdir():
        path.write_bytes(path.read_bytes()[:-1] + b"\xff")
    again = transfer(KnnConfig(), encoder, stripes, Run(tmp_path / "b"), heard, cache=cache)
    assert again.scores == first.scores
    assert "-3-cpu.features was damaged): they are computed again" in heard.messages
    assert len(list(cache.folder.iterdir())) == 4
    transfer(KnnConfig(), encoder, stripes, Run(tmp_path / "c"), heard, cache=cache)
    assert "were kept: no image is encoded" in heard.messages


def test_a_cache_that_cannot_be_written_costs_nothing_but_a_sentence(
    encoder: Path, stripes: Dataset, tmp_path: Path, heard: Heard
) -> None:
    (tmp_path / "file").touch()
    result = transfer(KnnConfig(), encoder, stripes, Run(tmp_path / "a"), heard, cache=FeatureCache(tmp_path / "file"))
    assert result.scores
    assert "Features could not be kept for other jobs" in heard.messages
