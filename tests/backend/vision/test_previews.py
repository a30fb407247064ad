"""Previews are shared among cores and come out as if they were not."""

import hashlib

import pytest
import torch

from backend.vision import previews
from simclr.augment import apply_parameters
from tests.simclr.torchvision_views import EVERYTHING, parameters_of, random_images


@pytest.mark.parametrize("cores", [1, 2, 3])
def test_views_do_not_depend_on_how_many_cores_draw_them(cores: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(previews, "cores", lambda _: cores)
    images, drawn = random_images(17, size=64), parameters_of(17, 64, EVERYTHING)
    pictures, digests = previews._pictures(images, drawn)
    whole = apply_parameters(images, drawn)
    assert digests == [hashlib.sha256(view.numpy().tobytes()).hexdigest() for view in whole]
    assert pictures == [previews._png(view) for view in whole.mul(255).round().to(torch.uint8)]
