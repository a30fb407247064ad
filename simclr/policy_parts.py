"""The operations of a policy in the order in which they are applied, as data, without torch: for cards, studies and exports."""

from pydantic import BaseModel, ConfigDict

from simclr.config import AugmentConfig
from simclr.presets import STILL


class Part(BaseModel):
    """One operation of a policy.

    Attributes:
        name: Its key in addresses and answers.
        title: What a person reads.
        fields: The fields of ``AugmentConfig`` that it alone reads; the first one is what switches it.
        on: What a click sets where it was off; only the first fields, the others keep what they are.
        off: What switches it off.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    title: str
    fields: tuple[str, ...]
    on: dict[str, float]
    off: dict[str, float]

    def is_on(self, config: AugmentConfig) -> bool:
        """Whether ``config`` lets it change any view."""
        if self.name == "crop":
            return config.crop_scale_min < 1
        return float(getattr(config, self.fields[0])) > 0


PARTS: tuple[Part, ...] = (
    Part(
        name="rotation", title="Rotation", fields=("rotation_p", "rotation_max"),
        on={"rotation_p": 0.5}, off={"rotation_p": 0.0},
    ),
    Part(
        name="crop", title="Crop",
        fields=("crop_scale_min", "crop_scale_max", "crop_ratio_min", "crop_ratio_max", "crop_interpolation"),
        on={"crop_scale_min": 0.2}, off={"crop_scale_min": 1.0, "crop_scale_max": 1.0},
    ),
    Part(name="flip", title="Mirror", fields=("flip_p",), on={"flip_p": 0.5}, off={"flip_p": 0.0}),
    Part(
        name="vertical_flip", title="Upside down", fields=("vertical_flip_p",),
        on={"vertical_flip_p": 0.5}, off={"vertical_flip_p": 0.0},
    ),
    Part(
        name="jitter", title="Colour jitter",
        fields=("jitter_p", "jitter_strength", "brightness", "contrast", "saturation", "hue"),
        on={"jitter_p": 0.8}, off={"jitter_p": 0.0},
    ),
    Part(name="grey", title="Greyscale", fields=("grey_p",), on={"grey_p": 0.2}, off={"grey_p": 0.0}),
    Part(
        name="blur", title="Blur", fields=("blur_p", "blur_sigma_min", "blur_sigma_max"),
        on={"blur_p": 0.5}, off={"blur_p": 0.0},
    ),
    Part(
        name="solarise", title="Solarisation", fields=("solarise_p", "solarise_threshold"),
        on={"solarise_p": 0.2}, off={"solarise_p": 0.0},
    ),
    Part(name="noise", title="Noise", fields=("noise_p", "noise_std"), on={"noise_p": 0.5}, off={"noise_p": 0.0}),
    Part(
        name="erase", title="Erasing", fields=("erase_p", "erase_scale_min", "erase_scale_max"),
        on={"erase_p": 0.25}, off={"erase_p": 0.0},
    ),
)  # fmt: skip


def parts_on(config: AugmentConfig) -> list[Part]:
    """The operations that ``config`` uses, in their order."""
    return [part for part in PARTS if part.is_on(config)]


def alone(config: AugmentConfig, part: Part) -> AugmentConfig:
    """The policy that does what ``config`` says of one operation, and nothing else."""
    return STILL.model_copy(update={name: getattr(config, name) for name in part.fields})
