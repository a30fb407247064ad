"""Figures before backgrounds: every factor is what it says, independent of the others, and the same for everyone."""

import numpy as np
import pytest

from simclr.arguments import find_dataset
from simclr.datasets import Dataset
from simclr.datasets.factors import FACTOR_VALUES, SIZE_PX, factors
from simclr.datasets.shapes import SHAPES
from simclr.datasets.store import describe, open_dataset, write_dataset

CIRCULAR = {"hue": 1.0, "background_hue": 1.0, "rotation": 360.0}
# After which turn a figure repeats, in degrees.
PERIODS = {"square": 90, "triangle": 120, "hexagon": 60, "star": 72, "cross": 90, "disc": 1, "ring": 1}


@pytest.fixture(scope="module")
def figures() -> Dataset:
    return factors(2000)


def test_the_set_has_its_classes_and_factors_as_labels(figures: Dataset) -> None:
    info = describe(figures)
    assert (info.n, info.channels, info.image_size, info.source) == (2000, 3, 64, "factors")
    assert len(info.classes) == 10
    assert info.counts == {"train": [140] * 10, "val": [20] * 10, "test": [40] * 10}
    assert set(info.factors) == {
        "shape", "hue", "texture", "size", "x", "y", "rotation", "background", "background_hue",
    }  # fmt: skip
    assert np.array_equal(figures.labels, figures.factors["shape"])
    assert tuple(FACTOR_VALUES["shape"]) == figures.classes


@pytest.mark.parametrize("n", [1, 7, 65, 113])
def test_any_count_is_the_beginning_of_a_longer_set(n: int, figures: Dataset) -> None:
    few = factors(n)
    assert np.array_equal(few.images, figures.images[:n])
    for name, values in few.factors.items():
        assert np.array_equal(values, figures.factors[name][:n])
    counts = np.bincount(few.labels, minlength=10)
    assert counts.max() - counts.min() <= 1


def test_another_seed_draws_other_images(figures: Dataset) -> None:
    assert not np.array_equal(factors(20, seed=1).images, figures.images[:20])


def test_no_images_cannot_be_asked_for() -> None:
    with pytest.raises(ValueError, match="n is 0, but must be at least 1"):
        factors(0)


def test_factors_fill_their_ranges_evenly(figures: Dataset) -> None:
    for name, values in figures.factors.items():
        if name in FACTOR_VALUES:
            counts = np.bincount(values.astype(int), minlength=len(FACTOR_VALUES[name]))
            assert len(counts) == len(FACTOR_VALUES[name])
            assert counts.min() > 0.8 * counts.mean()
    for name, most in CIRCULAR.items():
        assert 0 <= figures.factors[name].min() < 0.01 * most
        assert 0.99 * most < figures.factors[name].max() < most
    assert 9 <= figures.factors["size"].min() < 9.1
    assert 19.9 < figures.factors["size"].max() <= 20


def test_no_factor_tells_another(figures: Dataset) -> None:
    columns = []
    for name, values in figures.factors.items():
        turn = values / CIRCULAR[name] * 2 * np.pi if name in CIRCULAR else None
        columns += [np.cos(turn), np.sin(turn)] if turn is not None else [values]
    table = np.stack(columns).astype(np.float64)
    correlation = np.corrcoef(table) - np.eye(len(table))
    # 2,000 images: five standard errors of a correlation of zero.
    assert abs(correlation).max() < 5 / np.sqrt(2000)


def test_the_figure_lies_where_its_factors_say(figures: Dataset) -> None:
    for i in range(200):
        size, x, y = (float(figures.factors[name][i]) for name in ("size", "x", "y"))
        assert size + max(abs(x), abs(y)) <= SIZE_PX / 2 - 2 + 1e-4
    even = figures.factors["background"] == 0
    plain = figures.factors["texture"] == 0
    close, both = 0, np.flatnonzero(even & plain)[:40]
    for i in both:
        image = figures.images[i].astype(int)
        differs = abs(image - image[:, :1, :1]).max(0) > 40
        rows, columns = np.nonzero(differs)
        middle = np.array([columns.mean(), rows.mean()]) - (SIZE_PX - 1) / 2
        said = np.array([figures.factors["x"][i], figures.factors["y"][i]])
        close += bool(np.hypot(*(middle - said)) < 0.3 * float(figures.factors["size"][i]))
    # A crescent's pixels have their middle beside its own; the others are centred.
    assert close >= 0.85 * len(both)


@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_is_a_whole_figure_inside_its_radius(name: str) -> None:
    grid = np.linspace(-1.3, 1.3, 261, dtype=np.float32)
    x, y = np.meshgrid(grid, grid)
    depth = SHAPES[name](x, y)
    inside = depth > 0
    assert depth.dtype == np.float32
    assert 0.2 < inside.mean() * 2.6**2 < np.pi
    assert np.hypot(x, y)[inside].max() <= 1.03
    # An edge one pixel wide needs a depth that falls by at most about one pixel a pixel.
    slope = np.hypot(*np.gradient(depth, 0.01))
    assert slope[abs(depth) < 0.05].max() < 1.25


@pytest.mark.parametrize(("name", "period"), PERIODS.items())
def test_a_shape_repeats_after_the_turn_it_names(name: str, period: float) -> None:
    grid = np.linspace(-1, 1, 101, dtype=np.float32)
    x, y = np.meshgrid(grid, grid)
    angle = np.deg2rad(period)
    u, v = np.cos(angle) * x - np.sin(angle) * y, np.sin(angle) * x + np.cos(angle) * y
    drawn, turned = SHAPES[name](x, y), SHAPES[name](u.astype(np.float32), v.astype(np.float32))
    assert np.allclose(np.clip(drawn, 0, 1), np.clip(turned, 0, 1), atol=1e-5)


def test_shapes_are_told_apart_by_their_area_in_any_rotation() -> None:
    """No two figures cover the same pixels, whatever the turn: each differs from each by a tenth of the area at least."""
    grid = np.linspace(-1.1, 1.1, 111, dtype=np.float32)
    x, y = np.meshgrid(grid, grid)
    covers = {name: [shape(*_turned(x, y, turn)) > 0 for turn in range(0, 360, 5)] for name, shape in SHAPES.items()}
    for first, views in covers.items():
        for second, others in covers.items():
            if first < second:
                overlap = max((views[0] & other).sum() / (views[0] | other).sum() for other in others)
                assert overlap < 0.92, (first, second)


def _turned(x: np.ndarray, y: np.ndarray, degrees: float) -> tuple[np.ndarray, np.ndarray]:
    cos, sin = np.float32(np.cos(np.deg2rad(degrees))), np.float32(np.sin(np.deg2rad(degrees)))
    return cos * x + sin * y, cos * y - sin * x


def test_factors_of_figures_survive_storage(tmp_path) -> None:  # type: ignore[no-untyped-def]
    few = factors(30)
    info = write_dataset(few, tmp_path)
    opened = open_dataset(tmp_path)
    assert info.factors == sorted(few.factors)
    for name, values in few.factors.items():
        assert opened.factors[name].dtype == values.dtype
        assert np.array_equal(opened.factors[name], values)


def test_the_command_line_names_count_and_seed() -> None:
    assert np.array_equal(find_dataset("factors:30", None).images, factors(30).images)
    assert np.array_equal(find_dataset("factors:30:7", None).images, factors(30, seed=7).images)
    for text in ("factors:", "factors:x", "factors:3:4:5", "factors:-3"):
        with pytest.raises(ValueError, match="write factors:COUNT or factors:COUNT:SEED"):
            find_dataset(text, None)
    with pytest.raises(ValueError, match="n is 0"):
        find_dataset("factors:0", None)
