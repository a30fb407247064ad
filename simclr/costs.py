"""What a training costs, as a few steps of it foretell; no torch, so that everybody can read it."""

import math

from pydantic import BaseModel, ConfigDict

from simclr.config import PretrainConfig


class Costs(BaseModel):
    """What a dry run found; None where it found nothing.

    Attributes:
        step_s: Seconds of a step at the config's batch size.
        look_s: Seconds of a look at the features.
        start_s: Seconds before the first step.
        peak_bytes: The most memory that the training holds, on the device where it computes.
        tried_batch: The largest batch with which a step was taken; below the config's, the rest is extrapolated.
        fits: A batch size that fits, where the config's does not.
        advice: A sentence for the person who asked, where there is something to change.
    """

    model_config = ConfigDict(frozen=True)

    step_s: float | None = None
    look_s: float = 0.0
    start_s: float = 0.0
    peak_bytes: int | None = None
    tried_batch: int | None = None
    fits: int | None = None
    advice: str | None = None

    def seconds(self, config: PretrainConfig, images: int) -> float | None:
        """Of a whole training with ``config`` on so many training images."""
        if self.step_s is None:
            return None
        steps = config.epochs * (images // config.batch_size)
        looks = 1 + math.ceil(config.epochs / config.knn_every)
        return self.start_s + steps * self.step_s + looks * self.look_s
