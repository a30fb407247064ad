"""What a finished experiment found: plain models, stored as JSON by whoever ran it."""

from typing import Literal

from pydantic import BaseModel, ConfigDict


class _Result(BaseModel):
    # Readers may rely on every field, also on those that had a default.
    model_config = ConfigDict(frozen=True, json_schema_serialization_defaults_required=True)


class Score(_Result):
    """Quality on one split. ``accuracy_low`` and ``accuracy_high``: 95 % Wilson interval. ``auc``: ROC-AUC, two classes only."""

    split: Literal["val", "test"]
    n: int
    accuracy: float
    accuracy_low: float
    accuracy_high: float
    auc: float | None = None


class PretrainResult(_Result):
    """Outcome of contrastive pretraining. ``chance`` is the loss of guessing for the batch size that was used."""

    kind: Literal["pretrain"] = "pretrain"
    epochs: int
    steps: int
    loss: float
    chance: float
    knn_accuracy: float | None
    probe_accuracy: float | None = None
    feature_dim: int
    images_per_s: float
    seconds: float
    device: str


class TransferResult(_Result):
    """Outcome of a transfer: choices made on validation, the test split read once."""

    kind: Literal["transfer"] = "transfer"
    strategy: Literal["knn", "linear_probe", "fine_tune"]
    scores: list[Score]
    chance: float
    seconds: float
    chosen: dict[str, float]


class EmbedResult(_Result):
    """Outcome of embedding a data set."""

    kind: Literal["embed"] = "embed"
    n: int
    feature_dim: int
    images_per_s: float
    seconds: float


class ImportResult(_Result):
    """Outcome of importing images: a set of ``n``, in ``classes`` classes."""

    kind: Literal["import"] = "import"
    n: int
    classes: int
    image_size: int
    channels: int
    seconds: float


JobResult = PretrainResult | TransferResult | EmbedResult | ImportResult
