"""UMAP's layout: points attract their neighbours and push others away, a little less every epoch.

Source: McInnes, Healy & Melville 2018, arXiv:1802.03426, sec. 3.2 and algorithm 5.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, sparse  # type: ignore[import-untyped]

NEGATIVES = 5
CLIPPED_AT = 4.0
SOFTENING = 1e-3
# Edges at a time: their numbers fit into the caches.
BLOCK = 1 << 14

Places = NDArray[np.float32]
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Curve:
    """Membership 1 / (1 + a d^(2b)) of two points of the map at distance d."""

    a: float
    b: float


def fit_curve(min_dist: float, spread: float = 1.0) -> Curve:
    """The curve nearest to 1 up to ``min_dist`` and exp(-(d - min_dist) / spread) beyond, by least squares on [0, 3 spread].

    Source: sec. 3.2, definition 11.
    """
    d = np.linspace(0, 3 * spread, 300)
    wanted = np.where(d < min_dist, 1.0, np.exp(-(d - min_dist) / spread))
    (a, b), _ = optimize.curve_fit(lambda x, a, b: 1 / (1 + a * x ** (2 * b)), d, wanted)
    return Curve(float(a), float(b))


@dataclass(frozen=True)
class Pull:
    """Holds points to where others were: every epoch a share ``strength`` times the learning rate of the way to ``places``,
    float32 of shape (N, 2). It is the gradient of strength/2 · ‖y − place‖²."""

    places: NDArray[np.float32]
    strength: float


@dataclass(frozen=True)
class Moment:
    """A layout between two epochs, of which all that comes is a function.

    Attributes:
        epoch: So many are done.
        places: float32, shape (2, N).
        turns: How near every edge that acts is to its next turn, float64, shape (E,), in [0, 1).
        random: What the generator's ``bit_generator.state`` is.
    """

    epoch: int
    places: Places
    turns: NDArray[np.float64]
    random: dict[str, Any]


def lay_out(
    graph: sparse.csr_array,
    start: NDArray[np.float32] | Moment,
    curve: Curve,
    epochs: int,
    seed: int,
    on_epoch: Callable[[Moment], None] = lambda _: None,
    pull: Pull | None = None,
) -> NDArray[np.float32]:
    """Move points until near ones in ``graph`` are near; same seed, same map.

    An edge of membership w acts in w · epochs epochs, evenly spread from a phase of its own; each time its end is attracted and
    pushed from ``NEGATIVES`` random points. Every edge stands in the graph both ways, so the pull on the far end is here the
    doubled pull on the near one: a point's forces are a sum over its own row, added in one order.

    Args:
        start: Where points begin, float32 of shape (N, 2); or a moment of the same layout, from which it goes on to the same map.
        on_epoch: Told the moment before every epoch and after the last, whose arrays change with the next; may raise to stop.

    Departs from the source: edges act on the positions of a block's beginning, not one after another.
    """
    random = np.random.default_rng(seed)
    edges = _Edges(graph, epochs, random)
    if isinstance(start, Moment):
        first_epoch, places, edges.turns = start.epoch, start.places.copy(), start.turns.copy()
        random.bit_generator.state = start.random
    else:
        first_epoch, places = 0, np.ascontiguousarray(start.T)

    def moment(epoch: int) -> Moment:
        return Moment(epoch, places, edges.turns, dict(random.bit_generator.state))

    for epoch in range(first_epoch, epochs):
        on_epoch(moment(epoch))
        rate = 1 - epoch / epochs
        heads, tails = edges.next_due()
        for first in range(0, len(heads), BLOCK):
            block = slice(first, first + BLOCK)
            _move(places, heads[block], tails[block], curve, rate, random)
        if pull is not None:
            places += np.float32(rate * pull.strength) * (pull.places.T - places)
    on_epoch(moment(epochs))
    return np.ascontiguousarray(places.T)


class _Edges:
    """The graph's edges by head, and which of them act when."""

    def __init__(self, graph: sparse.csr_array, epochs: int, random: np.random.Generator) -> None:
        heads = np.repeat(np.arange(graph.shape[0], dtype=np.int64), np.diff(graph.indptr))
        strength = graph.data / graph.data.max()
        acts = strength * epochs >= 1  # the others would not act once
        self._heads, self._tails = heads[acts], graph.indices[acts].astype(np.int64)
        self._strength = strength[acts]
        self.turns = random.random(len(self._strength))

    def next_due(self) -> tuple[Indices, Indices]:
        """Heads, ascending, and tails of the edges that act in the next epoch."""
        self.turns += self._strength
        acting = np.flatnonzero(self.turns >= 1)
        self.turns[acting] -= 1
        return self._heads[acting], self._tails[acting]


def _move(
    places: Places, heads: Indices, tails: Indices, curve: Curve, rate: float, random: np.random.Generator
) -> None:
    """One turn of some edges; ``places`` has the shape (2, N), so that each coordinate lies together."""
    n = places.shape[1]
    others = (random.random((NEGATIVES, len(heads))) * n).astype(np.int64)
    at = places.take(heads, axis=1)  # (2, E)
    step = 2 * _attraction(at - places.take(tails, axis=1), curve)
    step += _repulsion(at[:, None] - places.take(others, axis=1), curve).sum(axis=1)
    # Heads ascend, so that only the points between the first and the last are moved.
    near = slice(int(heads[0]), int(heads[-1]) + 1)
    for coordinate, moved in zip(places, step, strict=True):
        coordinate[near] += (rate * np.bincount(heads - near.start, moved)).astype(np.float32)


def _attraction(apart: Places, curve: Curve) -> Places:
    squared = np.maximum(np.square(apart).sum(axis=0), np.finfo(np.float32).tiny)
    power = _power(squared, curve.b)
    step: Places = -2 * curve.a * curve.b * power / (squared * (1 + curve.a * power)) * apart
    return step.clip(-CLIPPED_AT, CLIPPED_AT)


def _repulsion(apart: Places, curve: Curve) -> Places:
    squared = np.square(apart).sum(axis=0)
    power = _power(np.maximum(squared, np.finfo(np.float32).tiny), curve.b)
    step: Places = 2 * curve.b / ((SOFTENING + squared) * (1 + curve.a * power)) * apart
    return step.clip(-CLIPPED_AT, CLIPPED_AT)


def _power(base: Places, exponent: float) -> Places:
    """Twice as fast as ``**``, and the same to some 1e-6."""
    raised: Places = np.exp(np.float32(exponent) * np.log(base))
    return raised
