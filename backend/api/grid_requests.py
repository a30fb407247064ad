"""What a grid may ask for, and what that comes to; refused at once is what no job of it could do."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from backend.api.checks import check_device, check_job
from backend.api.fields import Device, Name, RowId
from backend.api.rows import dataset_row, encoder_row
from backend.catalogue.models import DatasetRow, EncoderRow
from backend.errors import ApiError
from backend.jobs.estimates import Estimate, estimate_transfer
from backend.jobs.expansion import Axes, Cell, LeftOut, expand
from backend.jobs.transfer_costs import TransferCosts
from backend.settings import PREFIX
from simclr.config import Seed, TransferConfig
from simclr.datasets import DatasetInfo
from simclr.transfer_config import Block, Share, Shots

SETTING = f"{PREFIX}MAX_GRID_JOBS"
MOST = 200  # values on an axis


class GridIn(BaseModel):
    """Every encoder with every strategy, and of each every depth, amount of labels and seed.

    Attributes:
        strategies: Whole configs; what an axis below varies is taken from there, all else from here.
        depths: Values of ``unfrozen_blocks`` for fine-tuning; null is the whole encoder.
        fractions, shots: Amounts of labels, as ``labels.fraction`` and ``labels.shots``; all of both are computed.
        seeds: Of the training and of which labels are kept. An empty axis leaves what the strategies say.
        from_scratch: Also the networks with new random weights, the supervised baseline.
        priority, device, submitter: As of a job.
    """

    name: Name | None = None
    dataset_id: RowId
    encoders: Annotated[list[RowId], Field(max_length=MOST)]
    strategies: Annotated[list[TransferConfig], Field(max_length=MOST)]
    depths: Annotated[list[Block | None], Field(max_length=MOST)] = []
    fractions: Annotated[list[Share], Field(max_length=MOST)] = []
    shots: Annotated[list[Shots], Field(max_length=MOST)] = []
    seeds: Annotated[list[Seed], Field(max_length=MOST)] = []
    from_scratch: bool = False
    submitter: Name | None = None
    priority: Annotated[int, Field(ge=-1, le=1)] | None = None
    device: Device | None = None


@dataclass(frozen=True)
class Planned:
    """The cells that a grid comes to, what each would take, and what is to be said of it."""

    cells: list[Cell]
    left_out: list[LeftOut]
    estimates: dict[str, Estimate]
    notes: list[str]


def planned(session: Session, asked: GridIn, limit: int) -> Planned:
    """What ``asked`` comes to.

    Raises:
        ApiError: 404 or 410, something named is not there; 422, a list is empty or names something twice, there are more than
            ``limit`` cells, or one of them cannot be computed.
    """
    _check_lists(asked)
    dataset = dataset_row(session, asked.dataset_id)
    encoders = [encoder_row(session, encoder_id) for encoder_id in asked.encoders]
    check_device(session, asked.device)
    axes = Axes(asked.strategies, asked.depths, asked.fractions, asked.shots, asked.seeds, asked.from_scratch)
    cells, left_out = expand(axes, encoders, dataset)
    if not cells:
        reasons = "; ".join(left.reason for left in left_out)
        raise ApiError(422, "no_cells", f"Nothing of this grid can be computed: {reasons}.", "strategies")
    if len(cells) > limit:
        message = (
            f"This grid has {len(cells)} jobs, but {limit} may wait at once: name fewer values, or raise {SETTING}."
        )
        raise ApiError(422, "too_many_cells", message)
    info = DatasetInfo.model_validate(dataset.info)
    for cell in cells:
        check_job(cell.config, info, dataset.name, cell.encoder)
    costs = TransferCosts(session)
    estimates = {
        cell.key: estimate_transfer(costs, cell.config.model_dump(mode="json"), dataset, cell.encoder) for cell in cells
    }
    return Planned(cells, left_out, estimates, _notes(encoders, dataset, info))


def _check_lists(asked: GridIn) -> None:
    if not asked.encoders:
        raise ApiError(422, "empty_list", "encoders is empty: name one at least.", "encoders")
    if not asked.strategies and not asked.from_scratch:
        raise ApiError(
            422, "empty_list", "strategies is empty: name one at least, or ask for from_scratch.", "strategies"
        )
    axes: dict[str, Sequence[Hashable]] = {
        "encoders": asked.encoders,
        "strategies": asked.strategies,
        "depths": asked.depths,
        "fractions": asked.fractions,
        "shots": asked.shots,
        "seeds": asked.seeds,
    }
    for name, values in axes.items():
        for place, value in enumerate(values):
            if value in values[:place]:
                shown = f"number {place + 1}" if name == "strategies" else str(value)
                raise ApiError(422, "named_twice", f"{name} names {shown} twice: leave one out.", f"{name}.{place}")
    if asked.depths and not any(config.strategy == "fine_tune" for config in asked.strategies):
        message = f"depths is {asked.depths}, but no strategy is fine_tune: add one, or leave depths out."
        raise ApiError(422, "no_fine_tuning", message, "depths")


def _notes(encoders: Sequence[EncoderRow], dataset: DatasetRow, info: DatasetInfo) -> list[str]:
    """What is done to images that are not as an encoder expects them."""
    return [
        f"{encoder.name} expects {_shape(encoder.description)}: the images of {dataset.name}, {_shape(dataset.info)}, are "
        "adapted to it."
        for encoder in encoders
        if (encoder.description["channels"], encoder.description["image_size"]) != (info.channels, info.image_size)
    ]


def _shape(facts: dict[str, object]) -> str:
    colours = "1 channel" if facts["channels"] == 1 else f"{facts['channels']} channels"
    return f"{colours} of {facts['image_size']} px"
