"""Overlap is what counting pixels says, and its law follows the policy."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from simclr.config import AugmentConfig
from simclr.overlap import boxes, drawn_overlaps, overlap
from tests.simclr.torchvision_views import EVERYTHING, STILL, parameters_of

SIZE = 12


def box() -> st.SearchStrategy[list[int]]:
    side = st.integers(1, SIZE)
    return st.tuples(side, side).flatmap(
        lambda sides: st.tuples(*(st.integers(0, SIZE - s) for s in sides)).map(lambda at: [*at, *sides])
    )


@given(box(), box())
def test_the_overlap_is_that_of_the_pixels(first: list[int], second: list[int]) -> None:
    masks = torch.zeros(2, SIZE, SIZE, dtype=torch.bool)
    for mask, (top, left, height, width) in zip(masks, (first, second), strict=True):
        mask[top : top + height, left : left + width] = True
    counted = (masks[0] & masks[1]).sum() / (masks[0] | masks[1]).sum()
    one, other = torch.tensor([first]), torch.tensor([second])
    assert float(overlap(one, other)) == pytest.approx(float(counted), abs=1e-7)
    assert torch.equal(overlap(one, other), overlap(other, one))


def test_two_quarters_side_by_side_share_a_third_when_moved_by_half() -> None:
    assert float(overlap(torch.tensor([[0, 0, 4, 4]]), torch.tensor([[0, 2, 4, 4]]))) == pytest.approx(1 / 3)


def test_boxes_that_do_not_fit_together_are_refused() -> None:
    with pytest.raises(ValueError, match="one shape"):
        overlap(torch.ones(2, 4), torch.ones(3, 4))
    with pytest.raises(ValueError, match="1 px"):
        overlap(torch.tensor([[0, 0, 0, 4]]), torch.tensor([[0, 0, 4, 4]]))


def test_boxes_are_those_that_are_cropped() -> None:
    p = parameters_of(5, 32, EVERYTHING)
    assert boxes(p)[3].tolist() == [int(side[3]) for side in (p.top, p.left, p.height, p.width)]


def drawn(config: AugmentConfig, size: int = 64, draws: int = 4000) -> torch.Tensor:
    return drawn_overlaps(config, size, draws, torch.Generator().manual_seed(0))


def test_whole_images_overlap_entirely() -> None:
    assert torch.equal(drawn(STILL, draws=16), torch.ones(16))


def test_the_smaller_the_crops_the_less_they_share() -> None:
    means = [float(drawn(STILL.model_copy(update={"crop_scale_min": low})).mean()) for low in (0.08, 0.3, 0.6, 0.9)]
    assert means == sorted(means)


def test_the_law_of_squares_of_one_size_is_the_worked_out_one() -> None:
    """Squares of half the side, placed evenly: the shares of both axes are independent and their law is known.

    The distance of two even places in [0, h] has mean h / 3, so two squares of side h share 4 / 9 of a square's area on average,
    and pairs that share nothing do not occur but at the very rim.
    """
    config = STILL.model_copy(
        update={"crop_scale_min": 0.25, "crop_scale_max": 0.25, "crop_ratio_min": 1.0, "crop_ratio_max": 1.0}
    )
    iou = drawn(config, size=512)
    shared = 2 * iou / (1 + iou)  # of one square's area
    # The spread of a product of two shares in [0, 1] is below 1/4, so 4,000 draws have a standard error below 0.004.
    assert float(shared.mean()) == pytest.approx(4 / 9, abs=0.016)
