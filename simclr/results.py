"""What a finished experiment found: plain models, stored as JSON by whoever ran it."""

from typing import Literal

from pydantic import BaseModel, ConfigDict


class _Result(BaseModel):
    # Readers may rely on every field, also on those that had a default.
    model_config = ConfigDict(frozen=True, json_schema_serialization_defaults_required=True)


class Score(_Result):
    """Quality on one split of ``n`` images; what this split cannot tell, or an older version did not measure, is None.

    Attributes:
        accuracy_low, accuracy_high: 95 % Wilson interval.
        balanced_accuracy: Mean recall of the classes that occur in the split.
        macro_f1: Mean F1 of the classes that occur in the split or among the answers.
        auc: ROC-AUC of the second of two classes; of more classes the mean of each against the rest.
        auc_low, auc_high: 95 % interval, percentiles of a bootstrap over images.
        average_precision: Of the second of two classes; of more classes the mean of each against the rest.
        log_loss: Mean negative log-likelihood of the labels, in nats.
        ece: Expected calibration error over the bins of ``SplitDetails.reliability``, in [0, 1].
    """

    split: Literal["val", "test"]
    n: int
    accuracy: float
    accuracy_low: float
    accuracy_high: float
    balanced_accuracy: float | None = None
    macro_f1: float | None = None
    auc: float | None = None
    auc_low: float | None = None
    auc_high: float | None = None
    average_precision: float | None = None
    log_loss: float | None = None
    ece: float | None = None


class ClassScore(_Result):
    """One class against the rest. ``n`` of the split's images are of it; a figure without any image to tell it is None."""

    name: str
    n: int
    precision: float | None
    recall: float | None
    f1: float | None
    auc: float | None


class Bin(_Result):
    """The ``n`` images whose confidence, the answer's probability, lies above ``low`` and up to ``high``; means of them."""

    low: float
    high: float
    n: int
    confidence: float | None
    accuracy: float | None


class RocCurve(_Result):
    """True against false positive rate, both ascending from 0 to 1, of one class against the rest; 100 points at most."""

    name: str
    fpr: list[float]
    tpr: list[float]


class SplitDetails(_Result):
    """What stands behind a split's score. ``confusion[truth][answer]`` counts images; two classes have one ROC curve."""

    split: Literal["val", "test"]
    confusion: list[list[int]]
    per_class: list[ClassScore]
    reliability: list[Bin]
    roc: list[RocCurve]


class EpochScore(_Result):
    """What an epoch of a training on labels reached; ``loss`` is its mean over the epoch's last steps."""

    epoch: int
    loss: float | None
    val_accuracy: float


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
    """Outcome of a transfer: choices made on validation, the test split read once.

    Attributes:
        chance: Test accuracy of always answering the class that is commonest in training.
        chosen: What was chosen on the split ``chosen_on``.
        details: What stands behind the scores, a split each.
        labels_used: Labelled training images that were learned from.
        images_seen: The same, times the passes over them.
        curve: Epoch by epoch, where there were epochs.
        versions: What did the work, by name.
    """

    kind: Literal["transfer"] = "transfer"
    strategy: Literal["knn", "linear_probe", "fine_tune"]
    scores: list[Score]
    chance: float
    seconds: float
    chosen: dict[str, float]
    chosen_on: Literal["val"] = "val"
    details: list[SplitDetails] = []
    labels_used: int | None = None
    images_seen: int | None = None
    curve: list[EpochScore] = []
    device: str | None = None
    versions: dict[str, str] = {}


class EmbedResult(_Result):
    """Outcome of embedding a data set.

    Attributes:
        feature_dim, projection_dim: Dimensions of h and z; there is no z where the encoder has no projection head.
        precision: In which features were computed.
        kept: Images of which features had been kept, so that they were not encoded again.
        images_per_s: Of those that were encoded; of all where none was.
    """

    kind: Literal["embed"] = "embed"
    n: int
    feature_dim: int
    images_per_s: float
    seconds: float
    projection_dim: int | None = None
    precision: Literal["fp32", "bf16"] = "fp32"
    kept: int = 0


class MapFigures(_Result):
    """How much a map lies, as ``sampled`` points' ``k`` nearest others tell; None where the set is too small to tell.

    Attributes:
        trustworthiness: In [0, 1]; 1 where nobody is near in the map who is not near in the space.
        overlap: Share of the nearest in the space who are among the nearest in the map; a random map has ``by_chance``.
        explained: Of a PCA: the share of the space's variance along each of its two axes.
    """

    k: int | None = None
    sampled: int | None = None
    trustworthiness: float | None = None
    overlap: float | None = None
    by_chance: float | None = None
    explained: list[float] | None = None


class MapResult(_Result):
    """Outcome of mapping the embeddings of ``n`` images: a map for each encoder, in the order that was asked for."""

    kind: Literal["map"] = "map"
    method: Literal["umap", "pca"]
    n: int
    maps: list[MapFigures]
    seconds: float


class ImportResult(_Result):
    """Outcome of importing images: a set of ``n``, in ``classes`` classes."""

    kind: Literal["import"] = "import"
    n: int
    classes: int
    image_size: int
    channels: int
    seconds: float


class VerdictFigure(_Result):
    """A figure that led to a verdict, and the rule that it met, in words."""

    name: str
    value: float
    rule: str


VerdictState = Literal[
    "too_early",
    "at_chance",
    "learning",
    "flat_loss_probe_rising",
    "collapsed_total",
    "collapsed_dimensional",
    "shortcut_suspected",
]


class Verdict(_Result):
    """Whether a pretraining learns: its state, the figures that led to it, and the one change to try."""

    state: VerdictState
    because: list[VerdictFigure]
    advice: str


JobResult = PretrainResult | TransferResult | EmbedResult | ImportResult | MapResult
