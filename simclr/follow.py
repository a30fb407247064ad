"""What is looked at while an encoder is pretrained: held-out images through the eyes of the moment. Nothing here trains it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from simclr.augment import draw_views
from simclr.config import KnnConfig, PretrainConfig
from simclr.datasets.store import Dataset
from simclr.device import Device
from simclr.encoders import ImageFacts, normalise
from simclr.encoding import encode_images
from simclr.events import Emit, Evaluation, Log
from simclr.geometry import alignment, contrastive_ranks, effective_rank, feature_std, uniformity
from simclr.knn import knn_scores
from simclr.metrics import accuracy
from simclr.randomness import stream
from simclr.training import Watch

# Images that a look uses at most, so that it stays a small part of an epoch.
BANK, QUERIES, PAIRS = 5000, 1000, 512
PROBE_RATE = 3e-3


@dataclass(frozen=True)
class Sample:
    """Images to look at: labelled ones of training as a bank, labelled ones of validation as queries, pairs of held-out ones."""

    bank: NDArray[np.int64]
    queries: NDArray[np.int64]
    pairs: NDArray[np.int64]

    @classmethod
    def of(cls, dataset: Dataset, seed: int) -> "Sample":
        """A bounded sample drawn with ``seed``; pairs come from validation, or from training where there is none."""
        random = np.random.default_rng(seed)
        bank = np.sort(random.permutation(dataset.indices("train", labelled=True))[:BANK])
        queries = np.sort(random.permutation(dataset.indices("val", labelled=True))[:QUERIES])
        held_out = dataset.indices("val")
        if len(held_out) < 2:
            held_out = dataset.indices("train")
        return cls(bank, queries, np.sort(random.permutation(held_out)[:PAIRS]))

    def why_no_labels(self) -> str | None:
        """A sentence where labels are missing, else None."""
        if len(self.bank) and len(self.queries):
            return None
        missing = "training" if len(self.bank) == 0 else "validation"
        return f"No {missing} image has a label, so k-NN accuracy cannot be followed; training needs no labels."


class OnlineProbe:
    """A linear classifier on h that is trained along, one step a batch, and never touches the encoder: h comes detached.

    Features are standardised by a batch norm without weights, which is linear when evaluated.

    Source: the online classifier of Chen et al. 2020, B.9's published code; here with Adam at a fixed rate.
    """

    def __init__(self, dim: int, classes: int, seed: int, device: torch.device) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            linear = nn.Linear(dim, classes)
        self.model = nn.Sequential(nn.BatchNorm1d(dim, affine=False), linear).to(device)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=PROBE_RATE)

    def learn(self, features: Tensor, labels: Tensor) -> None:
        """One step on features (N, D), detached here, and labels int64 (N,); those that are -1 teach nothing."""
        with torch.autocast(features.device.type, enabled=False):
            scores = self.model(features.detach().float())
            # The mean over those with a label, without asking an accelerator how many they are.
            loss = functional.cross_entropy(scores, labels, ignore_index=-1, reduction="sum")
            loss = loss / (labels >= 0).sum().clamp(min=1)
            self.optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimizer.step()

    def accuracy(self, features: Tensor, labels: NDArray[np.int64]) -> float:
        """Share of features (N, D) classified right, in [0, 1]."""
        self.model.eval()
        with torch.inference_mode():
            scores = self.model(features.to(next(self.model.parameters()).device)).cpu().numpy()
        self.model.train()
        return accuracy(scores, labels)


class Follow:
    """Looks at an encoder and its projection head between epochs and tells what it sees."""

    def __init__(
        self, config: PretrainConfig, dataset: Dataset, facts: ImageFacts, feature_dim: int, device: Device, emit: Emit
    ) -> None:
        self.config = config
        self.dataset = dataset
        self.facts = facts
        self.device = device
        self.sample = Sample.of(dataset, config.seed)
        silent = self.sample.why_no_labels()
        if silent and (config.follow.knn or config.follow.probe):
            emit(Log(message=silent))
        self.labelled = silent is None
        classes = len(dataset.classes)
        wanted = config.follow.probe and self.labelled
        self.probe = OnlineProbe(feature_dim, classes, config.seed, device.device) if wanted else None

    def look(self, encoder: nn.Module, head: nn.Module, watch: Watch, epoch: int) -> Evaluation | None:
        """Everything that the config asks for and the labels allow; None where that is nothing."""
        found: dict[str, Any] = {}
        if self.labelled and (self.config.follow.knn or self.probe is not None):
            found |= self._labels(encoder, watch)
        if self.config.follow.contrast or self.config.follow.geometry:
            found |= self._pairs(encoder, head, watch)
        if not found:
            return None
        n = len(self.sample.queries) if self.labelled else len(self.sample.pairs)
        return Evaluation(epoch=epoch, step=watch.step, n=n, **found)

    def _labels(self, encoder: nn.Module, watch: Watch) -> dict[str, float]:
        def encoded(chosen: NDArray[np.int64]) -> Tensor:
            images = self.dataset.images[chosen]
            with self.device.autocast():
                return encode_images(encoder, self.facts, images, on_batch=lambda _done: watch.check())

        queries, labels = encoded(self.sample.queries), self.dataset.labels
        wanted = labels[self.sample.queries]
        found = {}
        if self.probe is not None:
            found["probe_accuracy"] = self.probe.accuracy(queries, wanted)
        if self.config.follow.knn:
            knn = KnnConfig()
            scores = knn_scores(
                encoded(self.sample.bank),
                torch.from_numpy(labels[self.sample.bank]),
                queries,
                classes=len(self.dataset.classes),
                k=knn.k,
                temperature=knn.temperature,
            )
            found["knn_accuracy"] = accuracy(scores.numpy(), wanted)
        return found

    def _pairs(self, encoder: nn.Module, head: nn.Module, watch: Watch) -> dict[str, float]:
        """The same views of the same held-out images at every look, so that only the encoder changes."""
        watch.check()
        images = torch.from_numpy(self.dataset.images[self.sample.pairs]).to(self.device.device)
        generator = stream(self.config.seed, "looks", self.device.device)
        training = encoder.training
        encoder.eval()
        head.eval()
        with torch.inference_mode(), self.device.autocast():
            views = [normalise(draw_views(images, self.config.augment, generator), self.facts) for _ in range(2)]
            features = [encoder(view.contiguous(memory_format=torch.channels_last)).float() for view in views]
            projections = [head(h).float() for h in features]
        encoder.train(training)
        head.train(training)
        found: dict[str, float] = {}
        if self.config.follow.contrast:
            ranks = contrastive_ranks(*projections)
            found |= {"contrast_top1": ranks.top1, "contrast_top5": ranks.top5, "mean_rank": ranks.mean_rank}
        if self.config.follow.geometry:
            h, z = torch.cat(features), torch.cat(projections)
            found |= {
                "alignment": alignment(*projections),
                "uniformity": uniformity(z),
                "rank_h": effective_rank(h),
                "rank_z": effective_rank(z),
                "std_z": feature_std(z),
            }
        return found
