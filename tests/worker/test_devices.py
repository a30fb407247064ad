"""A worker that was given a device shows its runner that one alone, and jobs are pinned to it by its name."""

import pytest

from worker.devices import name_of, variables


@pytest.mark.parametrize(
    ("device", "environ", "expected"),
    [
        (None, {}, {}),
        ("cpu", {"CUDA_VISIBLE_DEVICES": "0,1"}, {"CUDA_VISIBLE_DEVICES": ""}),
        ("cuda:1", {}, {"CUDA_VISIBLE_DEVICES": "1", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}),
        (
            "cuda:1",
            {"CUDA_VISIBLE_DEVICES": "3, GPU-ab", "CUDA_DEVICE_ORDER": "FASTEST_FIRST"},
            {"CUDA_VISIBLE_DEVICES": "GPU-ab", "CUDA_DEVICE_ORDER": "FASTEST_FIRST"},
        ),
    ],
)
def test_the_runner_sees_the_device_and_no_other(
    device: str | None, environ: dict[str, str], expected: dict[str, str]
) -> None:
    assert variables(device, environ) == expected


def test_a_device_beyond_the_visible_ones_is_refused() -> None:
    with pytest.raises(
        ValueError, match="SIMCLR_LAB_DEVICE is cuda:2, but CUDA_VISIBLE_DEVICES names 2: choose cuda:1"
    ):
        variables("cuda:2", {"CUDA_VISIBLE_DEVICES": "4,5"})


@pytest.mark.parametrize(
    ("found", "given", "expected"),
    [
        (None, "cuda:1", None),
        ("cpu", None, "cpu"),
        ("cpu", "cuda:1", "cpu"),
        ("cuda", None, "cuda:0"),
        ("cuda", "cuda:1", "cuda:1"),
    ],
)
def test_its_name_is_what_was_found_with_the_number_that_was_given(
    found: str | None, given: str | None, expected: str | None
) -> None:
    assert name_of(found, given) == expected
