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


class EncoderConfig(Config):
    """The network whose features are learned."""

    architecture: Literal["resnet8", "resnet10", "resnet18", "resnet34", "resnet50"] = choice(
        "resnet8", "Depth of the residual network: more layers learn more and train slower; from 18 on, think of a GPU.",
        source="He et al. 2016, arXiv:1512.03385",
    )  # fmt: skip
    width: int = choice(
        32, "Channels after the first layer; they double at every stage. 64 is the published width.",
        unit="channels", source="He et al. 2016", ge=8, le=64,
    )  # fmt: skip
    stem: Literal["small", "strided", "imagenet"] = choice(
        "strided",
        "First layer: 'small' keeps the full resolution (3×3, no max-pool), 'strided' halves it and runs about 2.5 times "
        "faster, 'imagenet' quarters it (7×7 and max-pool), for images of 96 px and more.",
        source=f"{SIMCLR}, B.9",
    )


class OptimConfig(Config):
    """How weights follow their gradients."""

    optimizer: Literal["adamw", "adam", "sgd", "lars"] = choice(
        "adamw", "AdamW learns fastest in short runs; LARS keeps large batches stable; SGD is the plain one.",
        source=f"{SIMCLR}, B.6 (LARS); Loshchilov & Hutter 2019, arXiv:1711.05101 (AdamW)",
    )  # fmt: skip
    scaling: Literal["none", "linear", "square_root"] = choice(
        "none", "How learning_rate grows with the batch: 'linear' multiplies it by batch/256, 'square_root' by √(batch/256).",
        source=f"{SIMCLR}, B.1",
    )  # fmt: skip
    schedule: Literal["cosine", "constant"] = choice(
        "cosine", "After warm-up the learning rate falls to zero along a cosine, or stays.", source=f"{SIMCLR}, B.6"
    )
    warmup_start: float = choice(0.0, "Learning rate at the first step of the warm-up.", ge=0.0, le=10.0)
    momentum: float = choice(
        0.9,
        "Share of the last step that the next one repeats (SGD and LARS).",
        source=f"{SIMCLR}, B.6",
        ge=0.0,
        le=0.999,
    )
    trust: float = choice(
        1e-3, "LARS: how long a layer's step may be, relative to its weights.", source="You et al. 2017, arXiv:1708.03888",
        gt=0.0, le=1.0,
    )  # fmt: skip
    trust_clip: bool = choice(
        False, "LARS: never a longer step than SGD's.", source="solo-learn's recipes set it; You et al. 2017 do not"
    )
    decay_all: bool = choice(
        False,
        "Pull biases and norms towards zero too, and let LARS scale them.",
        source=f"{SIMCLR}, B.6 leaves them out",
    )
    gradient_clip: float = choice(
        0.0, "Longest gradient over all weights together; 0 switches clipping off.", ge=0.0, le=1000.0
    )
    ema_decay: float = choice(
        0.0, "Keep a slowly moving average of the encoder and save that one; 0 switches it off, 0.99 is usual.",
        source="Polyak & Juditsky 1992; Grill et al. 2020, arXiv:2006.07733", ge=0.0, le=0.9999,
    )  # fmt: skip


class FollowConfig(Config):
    """What is measured while training, on held-out images; none of it changes what is learned."""

    knn: bool = choice(True, "k-NN accuracy of h on the validation split, where there are labels.")
    probe: bool = choice(
        False, "A linear classifier trained along on h, behind a stop-gradient: the accuracy that papers report.",
        source=f"{SIMCLR}, B.9",
    )  # fmt: skip
    contrast: bool = choice(
        True, "How often a held-out view finds its partner first, or among the first five, and its mean rank.",
        source=f"{SIMCLR}, Table 5",
    )  # fmt: skip
    geometry: bool = choice(
        True, "Alignment and uniformity of z, effective rank of h and z, and their spread: collapse shows here first.",
        source="Wang & Isola 2020, arXiv:2005.10242; Garrido et al. 2023, arXiv:2210.02885",
    )  # fmt: skip


class PretrainConfig(Config):
    """Contrastive pretraining on two views of every image."""

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
        2e-3, "Step size after warm-up; falls to zero along a cosine.", basic=True, gt=0.0, le=10.0
    )
    seed: Seed = choice(0, "Same seed, same views, same weights.", basic=True)
    loss: Literal["nt_xent", "dcl", "supcon"] = choice(
        "nt_xent",
        "'nt_xent' is SimCLR's; 'dcl' leaves the positive out of the denominator, which helps small batches; "
        "'supcon' takes every image of the same class as positive and so needs labels.",
        source=f"{SIMCLR}; Yeh et al. 2022, arXiv:2110.06848; Khosla et al. 2020, arXiv:2004.11362",
    )
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
    projection_layers: int = choice(
        2, "Linear layers of the projection head; 0 compares h itself.", unit="layers",
        source=f"{SIMCLR}, 4.2; 3 in Chen et al. 2020, arXiv:2006.10029", ge=0, le=4,
    )  # fmt: skip
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
    projection_norm: bool = choice(
        True, "Batch norm in the hidden layers of the projection head.", source="the published code of SimCLR"
    )
    knn_every: int = choice(1, "Epochs between two looks at the features.", unit="epochs", ge=1, le=1000)
    encoder: EncoderConfig = EncoderConfig()
    augment: AugmentConfig = AugmentConfig()
    optim: OptimConfig = OptimConfig()
    follow: FollowConfig = FollowConfig()


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


class ImportConfig(Config):
    """How images from outside become a set."""

    image_size: int | None = choice(
        None, "Side of the squares that are kept. By default the images' own, 64 at most; larger takes longer to train on.",
        unit="px", basic=True, ge=8, le=224,
    )  # fmt: skip
    fit: Literal["crop", "pad"] = choice(
        "crop",
        "How an oblong image becomes a square: 'crop' cuts off its longer sides, 'pad' keeps all of it between black bars.",
        basic=True,
    )
    originals_px: int = choice(
        512, "Longer side of the originals that are kept beside smaller squares, for people to look at; 0 keeps none.",
        unit="px", basic=True, ge=0, le=2048,
    )  # fmt: skip


class EmbedConfig(Config):
    """Encode every image of a data set into a bank that search and maps read."""

    batch_size: int = choice(512, "Images encoded at a time; changes speed, not results.", unit="images", ge=1, le=4096)
