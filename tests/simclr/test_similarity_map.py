"""Similarity maps add up to the cosine, and point at what is shared."""

import pytest
import torch
from torch.nn import functional

from simclr.config import EncoderConfig
from simclr.encoder_file import ImageFacts
from simclr.encoders import Pixels, prepare, seeded
from simclr.similarity_map import feature_maps, similarity_maps

FACTS = ImageFacts(channels=3, image_size=32, mean=(0.5, 0.4, 0.3), std=(0.2, 0.2, 0.2))


def test_both_maps_sum_to_the_cosine_of_the_features_that_search_compares() -> None:
    encoder = seeded(EncoderConfig(width=8), 3, 0).eval()
    images = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    first, second = feature_maps(encoder, FACTS, images)
    with torch.inference_mode():
        features = encoder(prepare(images, FACTS))
    cosine = float(functional.cosine_similarity(features[:1], features[1:]))
    maps = similarity_maps(first, second)
    # Thousands of products in float32.
    assert maps.cosine == pytest.approx(cosine, abs=1e-5)
    assert float(maps.first.sum()) == pytest.approx(cosine, abs=1e-5)
    assert float(maps.second.sum()) == pytest.approx(cosine, abs=1e-5)
    assert maps.first.shape == first.shape[1:]


def test_a_map_is_the_sum_over_all_pairs_of_places() -> None:
    random = torch.Generator().manual_seed(2)
    first, second = torch.randn(3, 2, 2, generator=random), torch.randn(3, 1, 3, generator=random)
    lengths = first.mean(dim=(1, 2)).norm() * second.mean(dim=(1, 2)).norm()
    pairs = torch.einsum("chw,cij->hwij", first, second) / (4 * 3 * lengths)
    maps = similarity_maps(first, second)
    assert torch.allclose(maps.first, pairs.sum(dim=(2, 3)), atol=1e-6)
    assert torch.allclose(maps.second, pairs.sum(dim=(0, 1)), atol=1e-6)


def test_the_place_that_is_alike_carries_the_similarity() -> None:
    first, second = torch.zeros(2, 2, 2), torch.zeros(2, 2, 2)
    first[0, 0, 1] = first[1, 1, 0] = second[0, 1, 1] = 1.0
    maps = similarity_maps(first, second)
    # By hand: the means are (1/4, 1/4) and (1/4, 0), whose cosine is 1 / sqrt(2); one place of either has the shared channel.
    share = 1 / 2**0.5
    assert torch.allclose(maps.first, torch.tensor([[0.0, share], [0.0, 0.0]]), atol=1e-6)
    assert torch.allclose(maps.second, torch.tensor([[0.0, 0.0], [0.0, share]]), atol=1e-6)


def test_what_has_no_map_is_refused() -> None:
    with pytest.raises(ValueError, match="raw pixels have no feature maps"):
        feature_maps(Pixels(3 * 32 * 32), FACTS, torch.zeros(1, 3, 32, 32, dtype=torch.uint8))
    with pytest.raises(ValueError, match="2 and 3 channels"):
        similarity_maps(torch.ones(2, 1, 1), torch.ones(3, 1, 1))
    with pytest.raises(ValueError, match="sees nothing"):
        similarity_maps(torch.ones(2, 1, 1), torch.zeros(2, 1, 1))
