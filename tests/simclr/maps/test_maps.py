"""PCA, UMAP, aligned maps and what they are worth."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.manifold import trustworthiness
from sklearn.neighbors import NearestNeighbors

from simclr.events import Progress, Stopped
from simclr.map_config import MapConfig
from simclr.maps.aligned import turned_onto
from simclr.maps.make import make_maps
from simclr.maps.pca import pca_map
from simclr.maps.progress import MapProgress
from simclr.maps.quality import judge_map
from simclr.maps.umap import umap
from simclr.runs import Run

QUICK = MapConfig(epochs=100)


@pytest.fixture(scope="module")
def digits() -> np.ndarray:
    space = load_digits().data[:400].astype(np.float32)
    return space / np.linalg.norm(space, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def digits_map(digits: np.ndarray) -> np.ndarray:
    return umap(digits, QUICK)


def write_banks(folder: Path, *banks: np.ndarray) -> list[Path]:
    paths = [folder / f"{number}.npy" for number in range(len(banks))]
    for path, bank in zip(paths, banks, strict=True):
        np.save(path, bank)
    return paths


def test_pca_equals_scikit_learns_up_to_signs(digits: np.ndarray) -> None:
    found, reference = pca_map(digits), PCA(2).fit(digits)
    np.testing.assert_allclose(np.abs(found.places), np.abs(reference.transform(digits)), atol=1e-4)
    assert found.explained == pytest.approx(reference.explained_variance_ratio_, rel=1e-4)


def test_pca_does_not_mirror_when_the_space_is_the_same(digits: np.ndarray) -> None:
    assert (pca_map(digits).places == pca_map(digits.copy()).places).all()
    # The largest loading of each axis points up, whatever the solver's sign was.
    axes = np.linalg.lstsq(digits - digits.mean(0), pca_map(digits).places, rcond=None)[0]
    assert (axes[np.abs(axes).argmax(0), [0, 1]] > 0).all()


@pytest.mark.parametrize("shape", [(1, 4), (6, 1), (3, 2)])
def test_pca_of_tiny_spaces_is_finite(shape: tuple[int, int]) -> None:
    found = pca_map(np.ones(shape, np.float32))
    assert found.places.shape == (shape[0], 2)
    assert np.isfinite(found.places).all()


def test_pca_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no points to map"):
        pca_map(np.empty((0, 4), np.float32))


def test_trustworthiness_and_overlap_equal_their_references(digits: np.ndarray) -> None:
    places = pca_map(digits).places
    found = judge_map(digits, places, k=10)
    assert found is not None
    assert found.sampled == 400
    assert found.trustworthiness == pytest.approx(trustworthiness(digits, places, n_neighbors=10), abs=2e-6)
    near = [NearestNeighbors(n_neighbors=11).fit(each).kneighbors(each)[1][:, 1:] for each in (digits, places)]
    shared = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(*near, strict=True)])
    assert found.overlap == pytest.approx(shared, abs=1e-3)


def test_a_sample_tells_nearly_what_all_points_tell(digits: np.ndarray) -> None:
    places = pca_map(digits).places
    every, some = judge_map(digits, places), judge_map(digits, places, sampled=150)
    assert every is not None
    assert some is not None
    assert some.sampled == 150
    assert some.trustworthiness == pytest.approx(every.trustworthiness, abs=0.03)


def test_too_few_points_have_no_quality() -> None:
    assert judge_map(np.eye(20, dtype=np.float32), np.zeros((20, 2), np.float32), k=10) is None


def test_umap_keeps_neighbours_that_pca_loses(digits: np.ndarray, digits_map: np.ndarray) -> None:
    assert trustworthiness(digits, digits_map, n_neighbors=10) > 0.95
    assert trustworthiness(digits, pca_map(digits).places, n_neighbors=10) < 0.9


def test_umap_is_the_same_for_a_seed_and_another_for_another(digits: np.ndarray, digits_map: np.ndarray) -> None:
    assert (umap(digits, QUICK) == digits_map).all()
    assert (umap(digits, MapConfig(epochs=100, seed=1)) != digits_map).any()


def test_umap_of_points_in_one_place_is_finite() -> None:
    assert np.isfinite(umap(np.ones((30, 4), np.float32), MapConfig(epochs=20, neighbours=5))).all()


def test_fewer_points_than_neighbours_are_refused_with_what_would_do() -> None:
    with pytest.raises(ValueError, match="neighbours is 15, but the set has 10 images: choose 9 or fewer, or use PCA"):
        umap(np.eye(10, dtype=np.float32), MapConfig())


def test_a_map_that_begins_at_another_stays_near_it(digits: np.ndarray, digits_map: np.ndarray) -> None:
    later = digits + np.random.default_rng(0).normal(scale=0.01, size=digits.shape).astype(np.float32)
    free, held = (umap(later, MapConfig(epochs=100, pull=pull), None, digits_map) for pull in (0.0, 0.2))

    def moved(places: np.ndarray) -> float:
        return float(np.linalg.norm(places - digits_map, axis=1).mean())

    assert moved(held) < moved(free)
    assert moved(held) < moved(umap(later, MapConfig(epochs=100, seed=5)))


def test_turning_a_map_onto_another_undoes_a_rotation_and_a_mirror() -> None:
    before = np.random.default_rng(0).normal(size=(40, 2)).astype(np.float32)
    turn = np.array([[0, 1], [1, 0]], np.float32) @ np.array([[0.6, 0.8], [-0.8, 0.6]], np.float32)
    np.testing.assert_allclose(turned_onto(before @ turn + 3, before), before, atol=1e-5)


def test_a_run_of_two_banks_holds_both_maps_and_their_figures(tmp_path: Path, digits: np.ndarray) -> None:
    run, told = Run(tmp_path / "run"), []
    result = make_maps(QUICK, write_banks(tmp_path, digits, digits[:, ::-1].copy()), run, told.append)
    assert np.load(run.map).shape == (2, 400, 2)
    assert run.is_complete
    assert [figures.trustworthiness is not None for figures in result.maps] == [True, True]
    steps = [event.step for event in told if isinstance(event, Progress)]
    assert steps == sorted(steps)
    assert steps[-1] == told[-1].steps


def test_one_bank_is_mapped_as_umap_maps_it(tmp_path: Path, digits: np.ndarray, digits_map: np.ndarray) -> None:
    run = Run(tmp_path / "run")
    make_maps(QUICK, write_banks(tmp_path, digits), run)
    assert (np.load(run.map)[0] == digits_map).all()


def test_a_map_that_is_stopped_writes_nothing(tmp_path: Path, digits: np.ndarray) -> None:
    run = Run(tmp_path / "run")
    with pytest.raises(Stopped, match="0 of 1 maps"):
        make_maps(QUICK, write_banks(tmp_path, digits), run, should_stop=lambda: True)
    assert not run.map.exists()


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"", "missing or damaged"), (b"\x93NUMPY\x01\x00", "missing or damaged"), (None, "missing or damaged")],
)
def test_a_bank_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None, says: str) -> None:
    path = tmp_path / "bank.npy"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=says) as refusal:
        make_maps(QUICK, [path], Run(tmp_path / "run"))
    assert str(path) in str(refusal.value)


def test_banks_of_different_sets_are_refused(tmp_path: Path, digits: np.ndarray) -> None:
    banks = write_banks(tmp_path, digits, digits[:300])
    with pytest.raises(ValueError, match="one bank holds 400 images and another 300"):
        make_maps(MapConfig(method="pca"), banks, Run(tmp_path / "run"))


def test_progress_leaves_no_estimate_before_points_move() -> None:
    told: list[Progress] = []
    progress = MapProgress(1, 50, told.append)
    progress.looked(0, 10)
    progress.finished()
    assert (told[0].step, told[0].eta_s) == (0, None)
    assert (told[-1].step, told[-1].steps) == (150, 150)
