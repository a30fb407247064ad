"""Built-in sets are made in a child, to the byte, with progress, and stopped without a trace."""

from pathlib import Path

import pytest

from simclr.datasets import DatasetError
from simclr.datasets.builtin import draw_builtin
from simclr.datasets.factors import factors
from simclr.datasets.importer import draw_in_child
from simclr.datasets.limits import LIMITS
from simclr.datasets.store import content_hash, open_dataset
from simclr.events import Stopped


@pytest.mark.slow
def test_a_child_draws_the_same_bytes_and_tells_how_far_it_is(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    info = draw_in_child(
        "factors", tmp_path / "set", count=300, seed=3, progress=lambda done, of: told.append((done, of))
    )
    assert info.content_hash == content_hash(open_dataset(tmp_path / "set")) == content_hash(factors(300, 3))
    assert told[-1] == (300, 300)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["set"]


@pytest.mark.slow
def test_a_child_that_is_stopped_leaves_nothing(tmp_path: Path) -> None:
    told: list[int] = []
    with pytest.raises(Stopped):
        draw_in_child(
            "factors", tmp_path / "set", count=100_000, progress=lambda done, _: told.append(done),
            should_stop=lambda: bool(told),
        )  # fmt: skip
    assert told[0] < 100_000
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "more", "code"),
    [
        ("cats", {}, "unknown_source"),
        ("digits", {"count": 3}, "not_counted"),
        ("patterns", {"seed": 1}, "not_counted"),
        ("factors", {"count": 100, "limits": LIMITS.model_copy(update={"stored_bytes": 1000})}, "too_large"),
    ],
)
def test_what_cannot_be_drawn_is_refused(name: str, more: dict[str, int], code: str) -> None:
    with pytest.raises(DatasetError) as refusal:
        draw_builtin(name, **more)  # type: ignore[arg-type]
    assert refusal.value.code == code
