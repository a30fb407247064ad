"""The strategies of a transfer: what is trained on top of an encoder, how deep, and on how many labels."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, TypeAdapter, model_validator

from simclr.choices import SIMCLR, Config, Seed, choice
from simclr.view_config import AugmentConfig

Block = Annotated[int, Field(ge=0, le=4)]
Share = Annotated[float, Field(gt=0.0, le=1.0)]
Shots = Annotated[int, Field(ge=1, le=100_000)]


class LabelsConfig(Config):
    """How many of the training labels are used; validation and test always keep all of theirs."""

    fraction: Share | None = choice(
        None, "Share of every class's training labels; by default all of them.", unit="of labels",
        source=f"{SIMCLR}, Table 7 (0.01 and 0.1)", basic=True,
    )  # fmt: skip
    shots: Shots | None = choice(
        None, "Labelled training images of every class, instead of a share.", unit="images a class", basic=True
    )
    seed: Seed = choice(0, "Draws which labels are kept; a larger part under the same seed holds the smaller ones.")

    @model_validator(mode="after")
    def _one_measure(self) -> Self:
        if self.fraction is not None and self.shots is not None:
            raise ValueError(f"labels.fraction ({self.fraction}) and labels.shots ({self.shots}) exclude each other")
        return self


def _features() -> Any:
    return choice(
        "h", "What is classified: 'h' is the encoder's output, 'z' the projection head's, where the encoder's file has one.",
        source=f"{SIMCLR}, 4.2: h is better than z",
    )  # fmt: skip


def _block() -> Any:
    return choice(
        None,
        "Features of this depth, averaged over the image: 0 is the first layer's output, 1 the first stage's; "
        "by default the last.",
        unit="stages",
    )


class KnnConfig(Config):
    """Vote of the nearest training images: nothing is trained, so it shows the space as it is."""

    strategy: Literal["knn"] = "knn"
    k: int = choice(
        20, "Neighbours that vote.", unit="images", source="Wu et al. 2018, arXiv:1805.01978", basic=True, ge=1, le=200
    )
    temperature: float = choice(
        0.1, "How much closer neighbours count for more.", source="Wu et al. 2018 (0.07)", ge=0.01, le=10.0
    )
    features: Literal["h", "z"] = _features()
    block: Block | None = _block()
    labels: LabelsConfig = LabelsConfig()

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        _check_place(self.features, self.block)
        return self


class LinearProbeConfig(Config):
    """A linear classifier on frozen features: to convergence with its L2 strength chosen on validation, or by SGD."""

    strategy: Literal["linear_probe"] = "linear_probe"
    solver: Literal["lbfgs", "sgd"] = choice(
        "lbfgs",
        "'lbfgs' solves logistic regression on all images at once: deterministic; 'sgd' takes batches, as papers do.",
        source=f"{SIMCLR}, B.6 (SGD)",
        basic=True,
    )
    max_iterations: int = choice(
        300, "L-BFGS: steps at most; it stops sooner when converged.", unit="steps", ge=10, le=10000
    )
    epochs: int = choice(100, "SGD: passes over the labelled training images.", unit="epochs", ge=1, le=1000)
    learning_rate: float = choice(
        0.1, "SGD: first step size; falls to zero along a cosine.", source=f"{SIMCLR}, B.6", gt=0.0, le=100.0
    )
    momentum: float = choice(
        0.9,
        "SGD: share of the last step that the next one repeats (Nesterov).",
        source=f"{SIMCLR}, B.6",
        ge=0.0,
        le=0.999,
    )
    batch_size: int = choice(256, "SGD: images in a batch; all where there are fewer.", unit="images", ge=2, le=65536)
    class_weights: bool = choice(
        False,
        "Rare classes count for more, as if all were equally common.",
        source="scikit-learn's class_weight='balanced'",
    )
    features: Literal["h", "z"] = _features()
    block: Block | None = _block()
    labels: LabelsConfig = LabelsConfig()
    seed: Seed = choice(0, "SGD: same seed, same order of images.")

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        _check_place(self.features, self.block)
        return self


class FineTuneConfig(Config):
    """Encoder, or its upper stages, and classifier trained together on labels."""

    strategy: Literal["fine_tune"] = "fine_tune"
    epochs: int = choice(10, "Passes over the labelled training images.", unit="epochs", basic=True, ge=1, le=1000)
    learning_rate: float = choice(
        1e-3, "Step size of AdamW; falls to zero along a cosine.", basic=True, gt=0.0, le=10.0
    )
    batch_size: int = choice(128, "Images in a batch.", unit="images", basic=True, ge=2, le=4096)
    weight_decay: float = choice(1e-4, "Pull of the weights towards zero.", ge=0.0, le=1.0)
    seed: Seed = choice(0, "Same seed, same order of images and same classifier.", basic=True)
    start: Literal["encoder", "scratch"] = choice(
        "encoder", "'scratch' takes the encoder's architecture with new random weights: what labels alone can do."
    )
    unfrozen_blocks: Block | None = choice(
        None,
        "Stages that are trained, counted from the last: 0 trains the classifier alone; by default all, and the first layer too.",
        unit="stages",
        source="Yosinski et al. 2014, arXiv:1411.1792",
        basic=True,
    )
    freeze_batch_norm: bool = choice(
        False,
        "Batch norm stays as it is, statistics, scales and shifts, in trained stages too; frozen ones always keep it.",
    )
    layer_decay: float = choice(
        1.0, "Each stage below the classifier learns slower by this factor; 1 gives all the same step size.",
        source="Howard & Ruder 2018, arXiv:1801.06146", gt=0.0, le=1.0,
    )  # fmt: skip
    class_weights: bool = choice(
        False,
        "Rare classes count for more, as if all were equally common.",
        source="scikit-learn's class_weight='balanced'",
    )
    patience: int = choice(
        0, "Stop after so many epochs without a better validation accuracy; 0 never stops early.", unit="epochs",
        ge=0, le=1000,
    )  # fmt: skip
    labels: LabelsConfig = LabelsConfig()
    augment: AugmentConfig = AugmentConfig(crop_scale_min=0.6, jitter_strength=0.2, grey_p=0.0)

    @model_validator(mode="after")
    def _new_weights_are_trained(self) -> Self:
        if self.start == "scratch" and (self.unfrozen_blocks is not None or self.freeze_batch_norm):
            raise ValueError(
                "start is 'scratch': new weights must all be trained, so freeze neither stages nor batch norm"
            )
        return self


def _check_place(features: str, block: int | None) -> None:
    if features == "z" and block is not None:
        raise ValueError(f"features is 'z', which lies above every stage: leave block ({block}) out, or choose 'h'")


TransferConfig = Annotated[KnnConfig | LinearProbeConfig | FineTuneConfig, Field(discriminator="strategy")]
transfer_config: TypeAdapter[KnnConfig | LinearProbeConfig | FineTuneConfig] = TypeAdapter(TransferConfig)
