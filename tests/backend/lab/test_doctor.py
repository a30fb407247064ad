"""What the doctor says of jobs that wait in vain."""

from typing import Any

import pytest

from backend.lab.doctor import look_at_pins

PINNED = {"id": "j1", "pinned_to": "cuda:1"}
IMPORTS = {"device_name": None, "lanes": ["import"]}


@pytest.mark.parametrize(
    ("waiting", "names", "is_ill"),
    [
        ([PINNED], ["cuda:0", "cpu"], True),
        ([PINNED], ["cuda:1"], False),
        ([PINNED], ["cuda:0", None], False),
        ([PINNED | {"pinned_to": None}], ["cuda:0"], False),
    ],
)
def test_a_job_that_waits_for_a_device_that_nobody_has_is_named(
    waiting: list[dict[str, Any]], names: list[str | None], is_ill: bool
) -> None:
    found = list(look_at_pins(waiting, [{"device_name": name, "lanes": ["long"]} for name in names] + [IMPORTS]))
    assert [finding.state for finding in found] == ["ill"] * is_ill
    assert all("simclr-lab worker --device cuda:1" in finding.sentence for finding in found)
