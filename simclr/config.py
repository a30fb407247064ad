"""Every choice of an experiment, as frozen models; the forms, the command line and the docs are generated from them."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

SIMCLR = "Chen et al. 2020, arXiv:2002.05709"


def choice(default: Any, why: str, *, unit: str = "", source: str = "", basic: bool = False, **limits: Any) -> Any:
    """One field: its default, the reason a person reads beside it, and where the default comes from.

    ``basic`` fields stand open in a form, the others are folded away; ``unit`` and ``source`` travel in the JSON schema.
    """
    return Field(
        default,
        description=why,
        json_schema_extra={"unit": unit, "source": source, "basic": basic},
        **limits,
    )


class Config(BaseModel):
    """Frozen, without unknown keys, NaN or infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


Seed = Annotated[int, Field(ge=0, le=2**31 - 1)]


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
    flip_p: float = choice(
        0.5, "How often a view is mirrored; switch it off where left and right differ.", unit="probability",
        source=f"{SIMCLR}, A", basic=True, ge=0.0, le=1.0,
    )  # fmt: skip
    jitter_p: float = choice(
        0.8, "How often colours are shifted.", unit="probability", source=f"{SIMCLR}, A", basic=True, ge=0.0, le=1.0
    )
    jitter_strength: float = choice(
        0.5,
        "How far colours are shifted: brightness, contrast and saturation by 0.8 times this, hue by 0.2 times. "
        "Without it a network can match views by their colour histogram alone.",
        unit="× paper",
        source=f"{SIMCLR}, A and B.9 (0.5 on CIFAR-10)",
        basic=True,
        ge=0.0,
        le=2.0,
    )
    grey_p: float = choice(
        0.2, "How often a view loses its colour.", unit="probability", source=f"{SIMCLR}, A", basic=True, ge=0.0, le=1.0
    )
    blur_p: float = choice(
        0.0, "How often a view is blurred; the paper leaves blur out for small images.", unit="probability",
        source=f"{SIMCLR}, B.9", basic=True, ge=0.0, le=1.0,
    )  # fmt: skip

    @model_validator(mode="after")
    def _crop_range_is_ordered(self) -> Self:
        if self.crop_scale_min > self.crop_scale_max:
            raise ValueError(
                f"crop_scale_min ({self.crop_scale_min}) must not exceed crop_scale_max ({self.crop_scale_max})"
            )
        return self


class EncoderConfig(Config):
    """The network whose features are learned."""

    architecture: Literal["resnet8", "resnet10", "resnet18"] = choice(
        "resnet8", "Depth of the residual network: more layers learn more and train slower.",
        source="He et al. 2016, arXiv:1512.03385",
    )  # fmt: skip
    width: int = choice(32, "Channels after the first layer; they double at every stage.", unit="channels", ge=8, le=64)
    stem: Literal["small", "strided"] = choice(
        "strided",
        "First layer: 'small' keeps the full resolution (3×3, no max-pool), 'strided' halves it and runs about 2.5 times faster.",
        source=f"{SIMCLR}, B.9",
    )


class PretrainConfig(Config):
    """Contrastive pretraining with NT-Xent on two views of every image."""

    epochs: int = choice(10, "Passes over the training images.", unit="epochs", basic=True, ge=1, le=1000)
    batch_size: int = choice(
        128, "Images in a batch; every other view of the batch is a negative, so larger is harder.", unit="images",
        source=f"{SIMCLR}, Fig. 9", basic=True, ge=2, le=4096,
    )  # fmt: skip
    temperature: float = choice(
        0.2, "Below 1 the nearest negatives count most; far too low and noise does.",
        source=f"{SIMCLR}, Table 5; Wang & Liu 2021, arXiv:2012.09740", basic=True, ge=0.01, le=10.0,
    )  # fmt: skip
    learning_rate: float = choice(
        2e-3, "Step size of AdamW after warm-up; falls to zero along a cosine.", basic=True, gt=0.0, le=10.0
    )
    seed: Seed = choice(0, "Same seed, same views, same weights.", basic=True)
    weight_decay: float = choice(
        1e-4, "Pull of the weights towards zero; biases and norms are left out.", ge=0.0, le=1.0
    )
    warmup_epochs: float = choice(
        1.0,
        "Epochs in which the learning rate rises from zero.",
        unit="epochs",
        source=f"{SIMCLR}, B.6",
        ge=0.0,
        le=100.0,
    )
    projection_width: int = choice(
        256, "Hidden width of the projection head.", unit="channels", source=f"{SIMCLR}, 4.2", ge=8, le=8192
    )
    projection_dim: int = choice(
        128,
        "Dimensions of z, in which views are compared.",
        unit="dimensions",
        source=f"{SIMCLR}, Fig. 8",
        ge=2,
        le=4096,
    )
    knn_every: int = choice(1, "Epochs between two looks at the k-NN accuracy of h.", unit="epochs", ge=1, le=1000)
    encoder: EncoderConfig = EncoderConfig()
    augment: AugmentConfig = AugmentConfig()


class KnnConfig(Config):
    """Vote of the nearest training images: nothing is trained, so it shows the space as it is."""

    strategy: Literal["knn"] = "knn"
    k: int = choice(
        20, "Neighbours that vote.", unit="images", source="Wu et al. 2018, arXiv:1805.01978", basic=True, ge=1, le=200
    )
    temperature: float = choice(
        0.1, "How much closer neighbours count for more.", source="Wu et al. 2018 (0.07)", ge=0.01, le=10.0
    )


class LinearProbeConfig(Config):
    """Logistic regression on frozen features, to convergence: deterministic; its L2 strength is chosen on validation."""

    strategy: Literal["linear_probe"] = "linear_probe"
    max_iterations: int = choice(
        300, "Steps of the solver at most; it stops sooner when converged.", unit="steps", ge=10, le=10000
    )


class FineTuneConfig(Config):
    """Encoder and classifier trained together on labels."""

    strategy: Literal["fine_tune"] = "fine_tune"
    epochs: int = choice(10, "Passes over the labelled training images.", unit="epochs", basic=True, ge=1, le=1000)
    learning_rate: float = choice(
        1e-3, "Step size of AdamW; falls to zero along a cosine.", basic=True, gt=0.0, le=10.0
    )
    batch_size: int = choice(128, "Images in a batch.", unit="images", basic=True, ge=2, le=4096)
    weight_decay: float = choice(1e-4, "Pull of the weights towards zero.", ge=0.0, le=1.0)
    seed: Seed = choice(0, "Same seed, same order of images and same classifier.", basic=True)
    augment: AugmentConfig = AugmentConfig(crop_scale_min=0.6, jitter_strength=0.2, grey_p=0.0)


TransferConfig = Annotated[KnnConfig | LinearProbeConfig | FineTuneConfig, Field(discriminator="strategy")]
transfer_config: TypeAdapter[KnnConfig | LinearProbeConfig | FineTuneConfig] = TypeAdapter(TransferConfig)


class EmbedConfig(Config):
    """Encode every image of a data set into a bank that search and maps read."""

    batch_size: int = choice(512, "Images encoded at a time; changes speed, not results.", unit="images", ge=1, le=4096)
