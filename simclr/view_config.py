"""The policy of augmentation: how a view is drawn from an image."""

from typing import Literal, Self

from pydantic import model_validator

from simclr.choices import SIMCLR, Config, choice


class AugmentConfig(Config):
    """How a view is drawn from an image."""

    crop_scale_min: float = choice(
        0.2,
        "Smallest share of the image's area that a crop keeps: lower makes pairs harder to match.",
        unit="of area",
        source=f"{SIMCLR}, A (0.08 on ImageNet); 0.2 is usual for small images",
        basic=True,
        ge=0.02,
        le=1.0,
    )
    crop_scale_max: float = choice(
        1.0,
        "Largest share of the image's area that a crop keeps.",
        unit="of area",
        source=f"{SIMCLR}, A",
        ge=0.02,
        le=1.0,
    )
    crop_ratio_min: float = choice(
        0.75, "Narrowest crop, width over height.", unit="width/height", source=f"{SIMCLR}, A (3/4)", ge=0.1, le=1.0
    )
    crop_ratio_max: float = choice(
        1.3333, "Widest crop, width over height.", unit="width/height", source=f"{SIMCLR}, A (4/3)", ge=1.0, le=10.0
    )
    crop_interpolation: Literal["bilinear", "bicubic"] = choice(
        "bilinear", "How a crop is stretched to the full size; bicubic is a little sharper and slower."
    )
    flip_p: float = choice(
        0.5, "How often a view is mirrored; switch it off where left and right differ.", unit="probability",
        source=f"{SIMCLR}, A", basic=True, ge=0.0, le=1.0,
    )  # fmt: skip
    vertical_flip_p: float = choice(
        0.0, "How often a view is turned upside down; for images without an up, such as microscopy or satellites.",
        unit="probability", ge=0.0, le=1.0,
    )  # fmt: skip
    rotation_p: float = choice(
        0.0, "How often the image is turned before it is cropped.", unit="probability", ge=0.0, le=1.0
    )
    rotation_max: float = choice(
        3.0, "Largest turn to either side; the corners that it uncovers are black.", unit="degrees", ge=0.0, le=180.0
    )
    jitter_p: float = choice(
        0.8, "How often colours are shifted.", unit="probability", source=f"{SIMCLR}, A", basic=True, ge=0.0, le=1.0
    )
    jitter_strength: float = choice(
        0.5,
        "How far colours are shifted: a common factor on the four ranges below it. "
        "Without it a network can match views by their colour histogram alone.",
        unit="× paper",
        source=f"{SIMCLR}, A and B.9 (0.5 on CIFAR-10)",
        basic=True,
        ge=0.0,
        le=2.0,
    )
    brightness: float = choice(
        0.8, "Range of brightness at strength 1: factors from 1 - this to 1 + this.", unit="× strength",
        source=f"{SIMCLR}, A", ge=0.0, le=1.0,
    )  # fmt: skip
    contrast: float = choice(
        0.8, "Range of contrast at strength 1: factors from 1 - this to 1 + this.", unit="× strength",
        source=f"{SIMCLR}, A", ge=0.0, le=1.0,
    )  # fmt: skip
    saturation: float = choice(
        0.8, "Range of saturation at strength 1; does nothing on grey images.", unit="× strength",
        source=f"{SIMCLR}, A", ge=0.0, le=1.0,
    )  # fmt: skip
    hue: float = choice(
        0.2, "Range of hue at strength 1, as a share of the colour circle; does nothing on grey images.",
        unit="× strength", source=f"{SIMCLR}, A", ge=0.0, le=0.25,
    )  # fmt: skip
    grey_p: float = choice(
        0.2, "How often a view loses its colour.", unit="probability", source=f"{SIMCLR}, A", basic=True, ge=0.0, le=1.0
    )
    blur_p: float = choice(
        0.0, "How often a view is blurred; the paper leaves blur out for small images.", unit="probability",
        source=f"{SIMCLR}, B.9", basic=True, ge=0.0, le=1.0,
    )  # fmt: skip
    blur_sigma_min: float = choice(
        0.1, "Weakest blur.", unit="pixels", source=f"{SIMCLR}, A", ge=0.05, le=10.0
    )  # fmt: skip
    blur_sigma_max: float = choice(
        2.0, "Strongest blur; the kernel is a tenth of the image wide.", unit="pixels", source=f"{SIMCLR}, A",
        ge=0.05, le=10.0,
    )  # fmt: skip
    solarise_p: float = choice(
        0.0, "How often bright pixels are inverted.", unit="probability",
        source="Grill et al. 2020, arXiv:2006.07733, B (0.2 on one view)", ge=0.0, le=1.0,
    )  # fmt: skip
    solarise_threshold: float = choice(
        0.5, "Pixels from this value up are inverted.", unit="of white", source="Grill et al. 2020, B", ge=0.0, le=1.0
    )
    noise_p: float = choice(0.0, "How often Gaussian noise is added.", unit="probability", ge=0.0, le=1.0)
    noise_std: float = choice(0.05, "Spread of that noise.", unit="of white", ge=0.0, le=1.0)
    erase_p: float = choice(
        0.0, "How often a rectangle is blacked out.", unit="probability",
        source="Zhong et al. 2020, arXiv:1708.04896", ge=0.0, le=1.0,
    )  # fmt: skip
    erase_scale_min: float = choice(
        0.02, "Smallest share of the view that is blacked out.", unit="of area", source="Zhong et al. 2020",
        ge=0.0, le=1.0,
    )  # fmt: skip
    erase_scale_max: float = choice(
        0.33, "Largest share of the view that is blacked out.", unit="of area", source="torchvision's RandomErasing",
        ge=0.0, le=1.0,
    )  # fmt: skip

    @model_validator(mode="after")
    def _ranges_are_ordered(self) -> Self:
        for name in ("crop_scale", "crop_ratio", "blur_sigma", "erase_scale"):
            low, high = getattr(self, f"{name}_min"), getattr(self, f"{name}_max")
            if low > high:
                raise ValueError(f"{name}_min ({low}) must not exceed {name}_max ({high})")
        return self
