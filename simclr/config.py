"""Every choice of an experiment, as frozen models; the forms, the command line and the docs are generated from them."""

from typing import Literal

from simclr.choices import SIMCLR, Config, Seed, choice
from simclr.transfer_config import (
    FineTuneConfig,
    KnnConfig,
    LabelsConfig,
    LinearProbeConfig,
    TransferConfig,
    transfer_config,
)
from simclr.view_config import AugmentConfig

__all__ = [
    "SIMCLR",
    "AugmentConfig",
    "Config",
    "EmbedConfig",
    "EncoderConfig",
    "FineTuneConfig",
    "FollowConfig",
    "ImportConfig",
    "KnnConfig",
    "LabelsConfig",
    "LinearProbeConfig",
    "OptimConfig",
    "PretrainConfig",
    "Seed",
    "TransferConfig",
    "choice",
    "transfer_config",
]


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
    saved_epochs: int = choice(
        12,
        "Epochs whose encoder is kept beside the last, to watch what neighbours and maps become: 0, which is untrained, 1, 2, "
        "powers of two, and between them; each takes the room of an encoder. 0 keeps none.",
        unit="epochs", ge=0, le=64,
    )  # fmt: skip
    encoder: EncoderConfig = EncoderConfig()
    augment: AugmentConfig = AugmentConfig()
    optim: OptimConfig = OptimConfig()
    follow: FollowConfig = FollowConfig()


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
    precision: Literal["auto", "fp32", "bf16"] = choice(
        "auto",
        "Numbers in which features are computed: 'auto' takes bf16 where the hardware multiplies it, which is faster, and rounds "
        "to three digits.",
    )
