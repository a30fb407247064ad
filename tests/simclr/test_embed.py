import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from simclr.config import EmbedConfig, EncoderConfig
from simclr.datasets import Dataset, open_dataset, write_dataset
from simclr.embed import embed
from simclr.encoder_file import header, read_encoder_file
from simclr.encoders import image_facts, load_encoder, pixels_encoder, untrained_encoder
from simclr.encoding import encode_images
from simclr.events import Stopped, never
from simclr.index import Index, norms_beside
from simclr.results import EmbedResult
from simclr.runs import Run, sha256_of
from tests.simclr.conftest import Heard, stop_after


@pytest.fixture
def encoder(tmp_path: Path, stripes: Dataset) -> Path:
    path = tmp_path / "encoder.safetensors"
    untrained_encoder(EncoderConfig(width=8), image_facts(stripes), 0, path)
    return path


def test_the_bank_holds_every_image_in_order_as_rows_of_unit_length(
    encoder: Path, stripes: Dataset, tmp_path: Path, heard: Heard
) -> None:
    run = Run(tmp_path / "run")
    result = embed(EmbedConfig(batch_size=10), encoder, stripes, run, heard, never)
    bank = np.load(run.features, allow_pickle=False)
    assert (bank.shape, bank.dtype) == ((96, 32), np.float32)
    np.testing.assert_allclose(np.linalg.norm(bank, axis=1), 1, atol=1e-6)
    model, file = load_encoder(encoder)
    # 1e-5: another size of batch may add up in another order.
    for i in (0, 41, 95):
        alone = torch.nn.functional.normalize(encode_images(model, file, stripes.images[i : i + 1]))[0]
        np.testing.assert_allclose(bank[i], alone.numpy(), atol=1e-5)
        length = np.load(norms_beside(run.features))[i]
        np.testing.assert_allclose(
            bank[i] * length, encode_images(model, file, stripes.images[i : i + 1])[0], atol=1e-5
        )
    assert Index(bank).search(bank[41], 1)[0].tolist() == [41]
    assert (result.n, result.feature_dim) == (96, 32)
    assert run.is_complete
    assert EmbedResult.model_validate_json((run.path / "result.json").read_text()) == result
    assert json.loads((run.path / "config.json").read_text())["encoder"] == sha256_of(encoder)
    assert (heard.progress[-1].step, heard.progress[-1].steps) == (96, 96)


def test_the_size_of_a_batch_changes_no_result(encoder: Path, stripes: Dataset) -> None:
    model, file = load_encoder(encoder)
    small, large = (encode_images(model, file, stripes.images, size) for size in (7, 96))
    torch.testing.assert_close(small, large, atol=1e-5, rtol=1e-5)


def test_raw_pixels_make_a_bank_too_also_of_black_images(stripes: Dataset, tmp_path: Path) -> None:
    facts = image_facts(stripes).model_copy(update={"mean": (0.0, 0.0, 0.0)})
    pixels_encoder(facts, tmp_path / "pixels.safetensors")
    stripes.images[3] = stripes.images[50] = 0
    embed(EmbedConfig(), tmp_path / "pixels.safetensors", stripes, Run(tmp_path), lambda _event: None, never)
    bank = np.load(Run(tmp_path).features)
    assert bank.shape == (96, 192)
    assert sorted(Index(bank).search(bank[3], 2)[0].tolist()) == [3, 50]


def test_a_set_mapped_from_disk_gives_the_same_bank(encoder: Path, stripes: Dataset, tmp_path: Path) -> None:
    write_dataset(stripes, tmp_path / "set")
    for name, dataset in (("a", stripes), ("b", open_dataset(tmp_path / "set"))):
        embed(EmbedConfig(), encoder, dataset, Run(tmp_path / name), lambda _event: None, never)
    assert sha256_of(tmp_path / "a" / "features.npy") == sha256_of(tmp_path / "b" / "features.npy")


@pytest.mark.parametrize("asked", [0, 3, 10])
def test_a_stopped_embedding_leaves_no_bank(encoder: Path, stripes: Dataset, tmp_path: Path, asked: int) -> None:
    run = Run(tmp_path / "run")
    with pytest.raises(Stopped):
        embed(EmbedConfig(batch_size=10), encoder, stripes, run, lambda _event: None, stop_after(asked))
    assert sorted(p.name for p in run.path.iterdir()) == ["config.json"]


def test_an_encoder_with_broken_weights_makes_no_bank(encoder: Path, stripes: Dataset, tmp_path: Path) -> None:
    weights = load_file(encoder)
    weights["conv1.weight"].fill_(float("nan"))
    save_file(weights, encoder, metadata=header(read_encoder_file(encoder)))
    with pytest.raises(ValueError, match="features that are not finite"):
        embed(EmbedConfig(), encoder, stripes, Run(tmp_path / "run"), lambda _event: None, never)
    assert not (tmp_path / "run" / "features.npy").exists()
