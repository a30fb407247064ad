"""An embedding writes h and z, goes on where it was interrupted, and is not computed twice."""

from pathlib import Path

import numpy as np
import pytest
import torch

from simclr.banks import bank_of
from simclr.config import EmbedConfig, EncoderConfig
from simclr.datasets import Dataset
from simclr.embed import embed
from simclr.encoder_file import Projection
from simclr.encoders import EncoderFile, ProjectionHead, image_facts, load_encoder, load_head, save_encoder, seeded
from simclr.encoding import encode_images
from simclr.events import Stopped, never
from simclr.feature_cache import FeatureCache
from simclr.index import norms_beside
from simclr.runs import Run, sha256_of
from tests.simclr.conftest import Heard, stop_after, striped

CONFIG = EmbedConfig(batch_size=16, precision="fp32")
FILES = ("features.npy", "features.norms.npy", "projections.npy", "projections.norms.npy")


@pytest.fixture(scope="module", autouse=True)
def _small_pieces() -> object:
    """Of 8 × 8 pixels two batches of 16 images each."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("simclr.embed.PIECE_PIXELS", 32 * 64)
        yield


@pytest.fixture(scope="module")
def headed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An encoder whose file has its projection head."""
    path = tmp_path_factory.mktemp("headed") / "encoder.safetensors"
    config = EncoderConfig(width=8)
    encoder = seeded(config, 3, 0)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        head = ProjectionHead(encoder.feature_dim, 2, 16, 4, norm=True)
    file = EncoderFile(
        **image_facts(striped()).model_dump(), origin="untrained", architecture=config, feature_dim=encoder.feature_dim,
        projection=Projection(layers=2, width=16, dim=4, norm=True),
    )  # fmt: skip
    save_encoder(path, encoder, file, head)
    return path


@pytest.fixture(scope="module")
def whole(headed: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = Run(tmp_path_factory.mktemp("whole"))
    embed(CONFIG, headed, striped(), run)
    return run


def digests(run: Run) -> list[str]:
    return [sha256_of(run.path / name) for name in FILES]


def test_z_stands_beside_h_where_the_file_has_a_head(headed: Path, stripes: Dataset, whole: Run) -> None:
    encoder, file = load_encoder(headed)
    head = load_head(headed, file)
    assert head is not None
    h = encode_images(encoder, file, stripes.images)
    with torch.inference_mode():
        expected = {whole.features: h.numpy(), whole.projections: head(h).numpy()}
    for path, rows in expected.items():
        bank, norms = np.load(path), np.load(norms_beside(path))
        np.testing.assert_allclose(np.linalg.norm(bank, axis=1), 1, atol=1e-6)
        # 1e-5: slices of another size may add up in another order.
        np.testing.assert_allclose(bank * norms[:, None], rows, atol=1e-5)
    assert not whole.pieces.exists()


@pytest.mark.parametrize("with_cache", [True, False])
def test_interrupted_anywhere_it_goes_on_to_the_same_bytes(
    headed: Path, stripes: Dataset, whole: Run, tmp_path: Path, with_cache: bool
) -> None:
    heard = Heard()
    cache = FeatureCache(tmp_path / "cache") if with_cache else None
    for attempt in range(20):
        # With a cache every attempt has a folder of its own, as a lab's have.
        run = Run(tmp_path / (str(attempt) if with_cache else "run"))
        try:
            result = embed(CONFIG, headed, stripes, run, heard, stop_after(5), cache)
            break
        except Stopped:
            assert not run.features.exists()
    assert attempt >= 1
    assert digests(run) == digests(whole)
    assert 0 < result.kept < 96
    assert f"{result.kept} of 96 images had been encoded before." in heard.messages


def test_what_is_kept_is_not_encoded_again_unless_it_is_damaged(
    headed: Path, stripes: Dataset, whole: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, heard: Heard
) -> None:
    cache = FeatureCache(tmp_path / "cache")
    first = embed(CONFIG, headed, stripes, Run(tmp_path / "first"), cache=cache)
    damaged = sorted(cache.folder.iterdir())[1]
    content = bytearray(damaged.read_bytes())
    content[-1] ^= 1
    damaged.write_bytes(content)
    again = embed(CONFIG, headed, stripes, Run(tmp_path / "again"), heard, never, cache)
    assert (first.kept, again.kept) == (0, 64)
    assert "was damaged): they are computed again" in heard.messages
    monkeypatch.setattr("simclr.embed.encode_images", lambda *_args: pytest.fail("it was encoded again"))
    assert embed(CONFIG, headed, stripes, Run(tmp_path / "third"), cache=cache).kept == 96
    assert digests(Run(tmp_path / "again")) == digests(Run(tmp_path / "third")) == digests(whole)


def test_precisions_are_kept_apart_and_differ_by_their_rounding(
    headed: Path, stripes: Dataset, whole: Run, tmp_path: Path
) -> None:
    cache = FeatureCache(tmp_path / "cache")
    embed(CONFIG, headed, stripes, Run(tmp_path / "fp32"), cache=cache)
    coarse = embed(
        CONFIG.model_copy(update={"precision": "bf16"}), headed, stripes, Run(tmp_path / "bf16"), cache=cache
    )
    assert (coarse.precision, coarse.kept, coarse.projection_dim) == ("bf16", 0, 4)
    exact, rounded = np.load(whole.features), np.load(Run(tmp_path / "bf16").features)
    cosines = (exact * rounded).sum(axis=1)
    # bfloat16 keeps 8 bits, so a dozen layers move a direction by some thousandths.
    assert 0.99 < float(cosines.min()) < 1 - 1e-7


def test_cores_side_by_side_change_no_bit(headed: Path) -> None:
    encoder, file = load_encoder(headed)
    many = striped(200)
    alone, together = (encode_images(encoder, file, many.images, 200, None, threads) for threads in (2, 3))
    assert torch.equal(alone, together)


def test_a_bank_that_is_not_whole_does_not_appear(tmp_path: Path) -> None:
    path = tmp_path / "features.npy"
    with pytest.raises(ValueError, match="a bank of 3 images was given 2"), bank_of(path, 3, 4) as add:
        add(np.ones((2, 4), np.float32))
    assert list(tmp_path.iterdir()) == []
    with bank_of(path, 3, 4) as add:
        add(np.zeros((1, 4), np.float32))
        add(np.full((2, 4), 1e-20, np.float32))
    np.testing.assert_allclose(np.load(path), 0.5)
    assert np.load(norms_beside(path)).tolist() == pytest.approx([0, 2e-20, 2e-20])
