import math

import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier

from simclr.knn import knn_scores


@pytest.mark.parametrize("temperature", [0.07, 0.5])
def test_knn_is_scikit_learns_with_the_papers_weights(temperature: float) -> None:
    random = np.random.default_rng(0)
    bank, queries = random.normal(size=(300, 8)), random.normal(size=(2000, 8))
    labels = random.integers(0, 4, 300)
    # scikit-learn's cosine distance is 1 - similarity.
    reference = KNeighborsClassifier(
        20, metric="cosine", algorithm="brute", weights=lambda distance: np.exp((1 - distance) / temperature)
    ).fit(bank, labels)
    scores = knn_scores(
        torch.from_numpy(bank), torch.from_numpy(labels), torch.from_numpy(queries), classes=4, k=20,
        temperature=temperature,
    ).numpy()  # fmt: skip
    np.testing.assert_allclose(scores, reference.predict_proba(queries), atol=1e-5)


def test_knn_by_hand_with_a_temperature_so_low_that_votes_overflow() -> None:
    bank = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]])
    scores = knn_scores(bank, torch.tensor([0, 1, 1]), torch.tensor([[5.0, 0.0]]), classes=3, k=2, temperature=0.2)
    nearest, second = math.exp(1 / 0.2), math.exp(0.8 / 0.2)
    assert scores[0].tolist() == pytest.approx([nearest / (nearest + second), second / (nearest + second), 0])
    low = knn_scores(bank, torch.tensor([0, 1, 1]), torch.tensor([[5.0, 0.0]]), classes=3, k=3, temperature=0.001)
    assert low[0].tolist() == pytest.approx([1, 0, 0])


def test_knn_uses_all_images_when_there_are_fewer_than_k() -> None:
    scores = knn_scores(torch.eye(2), torch.tensor([0, 1]), torch.eye(2), classes=2, k=50, temperature=0.1)
    assert scores.argmax(dim=1).tolist() == [0, 1]


def test_knn_refuses_an_empty_bank_and_other_dimensions() -> None:
    for bank in (torch.zeros(0, 4), torch.zeros(3, 5)):
        with pytest.raises(ValueError, match="cannot classify queries"):
            knn_scores(bank, torch.zeros(len(bank)).long(), torch.zeros(2, 4), classes=2, k=1, temperature=0.1)
