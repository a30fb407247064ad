"""How long a transfer will take, from what like ones took here; looked up once for a whole grid of them."""

from collections import defaultdict
from collections.abc import Sequence
from statistics import median
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from backend.catalogue.models import DatasetRow, EncoderRow, JobRow
from backend.jobs.states import Kind, State

LATEST = 200  # jobs that are looked at
ENOUGH = 5  # like ones that are used
AT_ONCE = 20  # that are read before it is seen whether these are enough
Config = dict[str, Any]
Likeness = tuple[Any, ...]


class TransferCosts:
    """What transfers took: of the same network, depth and strategy on images of the same shape, else of the strategy alone.

    Good while its session is; no more of the past is read than the answers need.
    """

    def __init__(self, session: Session) -> None:
        self._known: defaultdict[Likeness, list[tuple[float, int | None]]] = defaultdict(list)
        done = select(JobRow.config, JobRow.spent_s, JobRow.peak_bytes, DatasetRow.info, EncoderRow.description)
        done = done.join(DatasetRow, JobRow.dataset_id == DatasetRow.id).join(
            EncoderRow, JobRow.encoder_id == EncoderRow.id
        )
        is_whole = (JobRow.kind == Kind.TRANSFER, JobRow.state == State.SUCCEEDED, JobRow.continues.is_(None))
        latest = done.where(*is_whole).order_by(JobRow.id.desc()).limit(LATEST).execution_options(yield_per=AT_ONCE)
        self._unread = session.execute(latest).partitions()

    def of(self, config: Config, dataset: DatasetRow, encoder: EncoderRow) -> tuple[float, int | None, int] | None:
        """Seconds by the median cost of an image, the highest peak of memory of exactly such, and how many jobs tell so."""
        exact = self._known[_exact(config, dataset.info, encoder.description)]
        while len(exact) < ENOUGH and (rows := next(self._unread, None)) is not None:
            self._learn(rows)
        like = (exact or self._known[_similar(config, dataset.info)])[:ENOUGH]
        if not like:
            return None
        peaks = [peak for _, peak in exact[:ENOUGH] if peak is not None]
        return median(cost for cost, _ in like) * _images(config, dataset.info), max(peaks, default=None), len(like)

    def _learn(self, rows: Sequence[Row[Config, float, int | None, Config, Config]]) -> None:
        for config, spent_s, peak, info, encoder in rows:
            for likeness in (_exact(config, info, encoder), _similar(config, info)):
                self._known[likeness].append((spent_s / _images(config, info), peak))


def _similar(config: Config, info: dict[str, Any]) -> Likeness:
    return info.get("image_size"), info.get("channels"), config.get("strategy"), config.get("solver", "lbfgs")


def _exact(config: Config, info: dict[str, Any], encoder: dict[str, Any]) -> Likeness:
    network = encoder.get("architecture") or {}
    parts = tuple(network.get(name) for name in ("architecture", "width", "stem"))
    depth = tuple(config.get(name) for name in ("unfrozen_blocks", "block", "batch_size"))
    return (*_similar(config, info), *parts, encoder.get("image_size"), *depth)


def _images(config: Config, info: dict[str, Any]) -> float:
    """How many images are worked on: those trained on once an epoch, else all of the set once."""
    if config.get("strategy") != "fine_tune":
        return max(1.0, float(info.get("n", 0)))
    labels, per_class = config.get("labels") or {}, info.get("counts", {}).get("train", [])
    used = sum(per_class) or info.get("split_sizes", {}).get("train", 0)
    if labels.get("shots") is not None:
        used = labels["shots"] * max(1, len(per_class))
    return max(1.0, float(used) * (labels.get("fraction") or 1.0) * float(config.get("epochs", 1)))
