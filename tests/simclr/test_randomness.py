import torch

from simclr.randomness import stream


def test_the_same_seed_and_purpose_give_the_same_numbers() -> None:
    first, again = (torch.rand(8, generator=stream(3, "order")) for _ in range(2))
    assert torch.equal(first, again)


def test_another_seed_or_purpose_gives_other_numbers() -> None:
    purposes = [(3, "order"), (4, "order"), (3, "views 0"), (3, "views 1"), (3 + 2**32, "order")]
    drawn = {tuple(torch.rand(4, generator=stream(seed, purpose)).tolist()) for seed, purpose in purposes}
    assert len(drawn) == len(purposes)
