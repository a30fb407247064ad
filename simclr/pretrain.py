"""Contrastive pretraining: two views of every image, an encoder and a projection head, and a loss that pulls pairs together."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from simclr.augment import apply_parameters, draw_parameters
from simclr.config import PretrainConfig
from simclr.datasets.store import Dataset, content_hash
from simclr.device import Device, choose_device
from simclr.encoder_file import Projection, projection_of
from simclr.encoders import (
    Encoder,
    EncoderFile,
    ImageFacts,
    build_head,
    image_facts,
    load_into,
    normalise,
    save_encoder,
    seeded,
)
from simclr.events import Emit, Evaluation, Log, SavedEpoch, ShouldStop, ignore, never
from simclr.follow import Follow
from simclr.halves import Halves, halves
from simclr.kept_epochs import kept_epochs
from simclr.loop import Part, Training, fit
from simclr.loss import chance_level, dcl, nt_xent, sup_con
from simclr.memory import naming_what_fits
from simclr.optim import MovingAverage, build_optimizer, scaled_rate, schedule, warmup_cosine
from simclr.policy import without_effect
from simclr.randomness import stream
from simclr.results import PretrainResult
from simclr.resume import Cadence, Keeper, State, read_training
from simclr.runs import Run, made_by, sha256_of
from simclr.training import Batches, Diverged, ImagePool, Watch


def pretrain(
    config: PretrainConfig,
    dataset: Dataset,
    run: Run,
    emit: Emit = ignore,
    should_stop: ShouldStop = never,
    *,
    start: Path | None = None,
    resume: Path | None = None,
    cadence: Cadence = Cadence(),
) -> PretrainResult:
    """Pretrain an encoder on the training images, labelled or not, and write it to ``run.encoder``.

    On a CPU the same config, images and number of threads give the same weights, bit for bit, also where the training was
    interrupted and goes on from a checkpoint.

    Args:
        config: Every choice.
        dataset: Images; labels are read to look at the features, and by the loss "supcon" alone.
        run: Where to write.
        emit: Told how it goes.
        should_stop: Asked before every step.
        start: An encoder file of the same architecture whose weights are the start; random weights without it.
        resume: A checkpoint to go on from, in this or another run's folder, of the same config and images. Epochs alone may be
            more than it began with: the schedule is then that of the new length, from the step that was reached.
        cadence: When to write checkpoints into ``run``, beside after the last step and when asked to stop.

    Raises:
        ValueError: the batch is larger than the training split, "supcon" has no labels, or ``start`` or ``resume`` does not fit.
        OutOfMemory: which batch size fits.
        Diverged: the loss became NaN; the encoder as it was after the last good epoch is kept as ``run.last_good``.
        Stopped: ``should_stop`` said so; no encoder was written, but a checkpoint of this very step.
        OSError: the disk is full; earlier checkpoints are whole.

    Source: Chen et al. 2020, arXiv:2002.05709, Algorithm 1. Departs: batch norm sees each view by itself, and AdamW is the
    default, since LARS pays only for large batches.
    """
    device = choose_device()
    images = image_facts(dataset)
    _check_labels(config, dataset)
    batches = Batches(dataset.indices("train"), config.batch_size, stream(config.seed, "order"))
    chance = chance_level(config.batch_size, config.loss)
    watch = Watch(batches, config.epochs, emit, should_stop, chance=chance)
    same = {"kind": "pretrain", "dataset": content_hash(dataset)}
    origin = {"start": sha256_of(start)} if start is not None else {}
    saved = read_training(resume) if resume is not None else None
    if saved is not None:
        saved.check(config, **same, **origin)
        origin = {name: saved.facts[name] for name in ("start",) if name in saved.facts}
        origin["resumed"] = sha256_of(saved.path)
    facts = {**same, "device": device.name, **origin, **made_by()}
    notes = saved.notes(facts) if saved is not None else []
    run.begin(config, **facts)
    for sentence in (device.reason, *without_effect(config.augment, images.channels, images.image_size), *notes):
        emit(Log(message=sentence))
    keeper = Keeper(run, config, facts, emit, cadence)
    module = Contrastive(config, dataset, images, batches, watch, device, keeper, start if saved is None else None)
    try:
        with naming_what_fits(module.try_step, config.batch_size), module.encoding_both():
            fit(module, device, config.optim.gradient_clip, saved)
    except Diverged as error:
        raise Diverged(f"{error}. {_keep_last_good(run, module, images)}") from error
    save_encoder(run.encoder, module.result, module.description, module.network.head)
    result = PretrainResult(
        epochs=config.epochs,
        steps=watch.steps,
        loss=watch.loss,
        chance=chance,
        knn_accuracy=module.last_look.knn_accuracy if module.last_look else None,
        probe_accuracy=module.last_look.probe_accuracy if module.last_look else None,
        feature_dim=module.network.encoder.feature_dim,
        images_per_s=module.images_per_s,
        seconds=watch.seconds,
        device=device.name,
    )
    run.finish(result)
    return result


class Network(nn.Module):
    """Encoder and projection head, from images to h and on to z."""

    encoder: Encoder
    head: nn.Module

    def __init__(self, config: PretrainConfig, channels: int) -> None:
        super().__init__()
        self.encoder = seeded(config.encoder, channels, config.seed).to(memory_format=torch.channels_last)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.head = build_head(config, self.encoder.feature_dim)


def features_and_projections(network: Network, pixels: Tensor) -> tuple[Tensor, Tensor]:
    """h and z of normalised images (N, C, S, S)."""
    h = network.encoder(pixels)
    return h, network.head(h)


class Contrastive(Training):
    """Encoder and projection head under a contrastive loss; batches are indices of images."""

    def __init__(
        self,
        config: PretrainConfig,
        dataset: Dataset,
        facts: ImageFacts,
        batches: Batches,
        watch: Watch,
        device: Device,
        keeper: Keeper,
        start: Path | None = None,
    ) -> None:
        super().__init__(batches, watch, stream(config.seed, "views", device.device), keeper)
        self.config = config
        self.facts = facts
        self.work = device
        self.pool = ImagePool(dataset.images, device.device)
        self.labels = torch.from_numpy(dataset.labels).to(device.device)
        self.network = Network(config, facts.channels)
        self.forward_pass = device.compiled(features_and_projections, watch.steps)
        if start is not None:
            load_into(self.network.encoder, start)
        self.follow = Follow(config, dataset, facts, self.network.encoder.feature_dim, device, watch.emit)
        # Warm-up never takes more than half of a short training.
        self.warmup_steps = min(round(config.warmup_epochs * watch.steps_per_epoch), watch.steps // 2)
        self.learning_rate = scaled_rate(config.learning_rate, config.optim.scaling, config.batch_size)
        self.average: MovingAverage | None = None
        self.both: Halves[Network] | None = None
        self.features: list[Tensor] = [torch.empty(0), torch.empty(0)]
        self.last_look: Evaluation | None = None
        self.last_good: dict[str, Tensor] = {}
        self.last_good_epoch = 0
        self.images_per_s = 0.0

    @property
    def description(self) -> EncoderFile:
        """Of ``result`` and the projection head."""
        return _description(self.config, self.facts, self.network.encoder.feature_dim, projection_of(self.config))

    @property
    def result(self) -> nn.Module:
        """The encoder that is looked at and saved: the moving average where there is one."""
        return self.average.copy if self.average is not None else self.network.encoder

    @contextmanager
    def encoding_both(self) -> Iterator[None]:
        """Ready to ``project``: the network on its device, and a thread for each view where that is a CPU."""
        network = self.network.to(self.work.device)
        with halves(network, self.work.threads if self.work.device.type == "cpu" else 1) as self.both:
            yield

    def training_step(self, indices: Tensor, _batch: int) -> Tensor:
        self.watch.check()
        first, second = self.project(self.pool[indices])
        labels = self.labels[indices.to(self.labels.device)]
        if self.follow.probe is not None:
            self.follow.probe.learn(torch.cat(self.features), labels.repeat(2))
        return contrast(self.config, first, second, labels)

    def project(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Projections of two views of every image, uint8 (N, C, S, S); their features stay in ``features``, detached."""

        n, size = len(images), images.shape[-1]
        # Many small operations, which two threads at once would be slower at.
        parameters = draw_parameters(2 * n, size, self.config.augment, self.views)
        drawn: Sequence[Tensor] = ()
        if images.device.type != "cpu":
            # Half as many operations, each of which an accelerator is slow to start.
            drawn = apply_parameters(torch.cat((images, images)), parameters).chunk(2)

        def encode(network: Network, number: int) -> Tensor:
            if drawn:
                view = drawn[number]
            else:
                ours = parameters[number * n : (number + 1) * n]
                view = apply_parameters(images, ours, max(1, self.work.threads // 2))
            # Each weight is cast once a step, so a cache of casts, which both threads would share, saves nothing.
            with torch.autocast(self.work.device.type, torch.bfloat16, self.work.bf16, cache_enabled=False):
                pixels = normalise(view, self.facts).contiguous(memory_format=torch.channels_last)
                h, projections = self.forward_pass(network, pixels)
                self.features[number] = h.detach()
            return projections

        if self.both is None:
            raise RuntimeError("a Contrastive module projects inside its encoding_both()")
        return self.both(encode)

    def try_step(self, batch: int) -> None:
        """All but the optimiser's part of a step with ``batch`` black images."""
        self.network.zero_grad()
        shape = (batch, self.facts.channels, self.facts.image_size, self.facts.image_size)
        with self.encoding_both():
            first, second = self.project(torch.zeros(shape, dtype=torch.uint8, device=self.work.device))
            nt_xent(first, second, self.config.temperature).backward()  # type: ignore[no-untyped-call]
        self.network.zero_grad()

    def build_optimizer(self) -> Optimizer:
        config = self.config
        if config.optim.ema_decay > 0:
            copy = seeded(config.encoder, self.facts.channels, config.seed).to(self.work.device)
            self.average = MovingAverage(self.network.encoder, copy, config.optim.ema_decay)
        return build_optimizer(config.optim, [self.network], self.learning_rate, config.weight_decay)

    def build_scheduler(self, done: int) -> LRScheduler:
        return schedule(
            self.optimizer,
            self.warmup_steps,
            self.watch.steps,
            self._warmup_start,
            constant=self.config.optim.schedule == "constant",
            done=done,
        )

    def rate(self, step: int) -> float:
        constant = self.config.optim.schedule == "constant"
        share = warmup_cosine(step, self.warmup_steps, self.watch.steps, self._warmup_start, constant=constant)
        return share * self.learning_rate

    def after_step(self) -> None:
        if self.average is not None:
            self.average.follow()

    def end_epoch(self, epoch: int) -> float | None:
        if epoch == 0:
            self._save_epoch(epoch)
            return self._look(epoch)
        if self.both is not None:
            self.both.settle()
        # The watch has read this epoch's losses, but its last step may have gone too far.
        weights = {name: tensor.detach().cpu().clone() for name, tensor in self.result.state_dict().items()}
        if all(bool(tensor.isfinite().all()) for tensor in weights.values()):
            self.last_good, self.last_good_epoch = weights, epoch
            self._save_epoch(epoch)
        if self.watch.step > self.watch.first:
            self.images_per_s = self.watch.images_per_s
        is_due = epoch % self.config.knn_every == 0 or epoch == self.config.epochs
        return self._look(epoch) if is_due else None

    def parts(self) -> dict[str, Part]:
        parts: dict[str, Part] = {"network": self.network}
        if self.both is not None:
            # The weights are the first one's own; batch norm's statistics are of the second view.
            parts["twin"] = self.both.networks[1]
        if self.average is not None:
            parts["average"] = self.average.copy
        if self.follow.probe is not None:
            parts |= {"probe": self.follow.probe.model, "probe_optimizer": self.follow.probe.optimizer}
        return parts

    def found(self) -> State:
        return {
            "last_look": self.last_look.model_dump() if self.last_look is not None else None,
            "last_good": self.last_good,
            "last_good_epoch": self.last_good_epoch,
            "images_per_s": self.images_per_s,
        }

    def find(self, found: State) -> None:
        look = found["last_look"]
        self.last_look = Evaluation.model_validate(look) if look is not None else None
        self.last_good, self.last_good_epoch = dict(found["last_good"]), int(found["last_good_epoch"])
        self.images_per_s = float(found["images_per_s"])

    @property
    def _warmup_start(self) -> float:
        """As a share of the full rate."""
        return min(1.0, self.config.optim.warmup_start / self.learning_rate)

    def _save_epoch(self, epoch: int) -> None:
        """Write the encoder of ``epoch`` where it is one of those to be kept; the last one's is what the run is for."""
        kept = kept_epochs(epoch, self.config.saved_epochs)
        if epoch not in kept or epoch == self.config.epochs:
            return
        path, file = self.keeper.run.saved_epoch(epoch), self.description
        if epoch == 0 and "start" not in self.keeper.about["facts"]:
            file = file.model_copy(update={"origin": "untrained"})
        with self.watch.aside():
            save_encoder(path, self.result, file, self.network.head)
            digest, described = sha256_of(path), file.model_dump(mode="json")
        told = SavedEpoch(
            epoch=epoch, step=self.watch.step, name=path.name, sha256=digest, description=described, kept=kept
        )
        self.watch.emit(told)

    def _look(self, epoch: int) -> float | None:
        with self.watch.aside():
            seen = self.follow.look(self.result, self.network.head, self.watch, epoch)
        if seen is None:
            return None
        self.last_look = seen
        self.watch.emit(seen)
        return seen.knn_accuracy


def contrast(config: PretrainConfig, first: Tensor, second: Tensor, labels: Tensor) -> Tensor:
    """The loss that ``config`` names, of projections (N, D) of two views and labels (N,)."""
    losses: dict[str, Callable[[], Tensor]] = {
        "nt_xent": lambda: nt_xent(first, second, config.temperature),
        "dcl": lambda: dcl(first, second, config.temperature),
        "supcon": lambda: sup_con(first, second, labels, config.temperature),
    }
    return losses[config.loss]()


def _check_labels(config: PretrainConfig, dataset: Dataset) -> None:
    if config.loss == "supcon" and len(dataset.indices("train", labelled=True)) == 0:
        raise ValueError(
            "loss is supcon, which learns from labels, but no training image has one: choose nt_xent or dcl"
        )


def _description(
    config: PretrainConfig, facts: ImageFacts, feature_dim: int, projection: Projection | None
) -> EncoderFile:
    return EncoderFile(
        **facts.model_dump(),
        origin="pretrained",
        architecture=config.encoder,
        feature_dim=feature_dim,
        projection=projection,
    )


def _keep_last_good(run: Run, module: Contrastive, facts: ImageFacts) -> str:
    """Write the encoder of the last epoch whose losses were numbers, and say where it is."""
    if not module.last_good:
        return "No epoch was finished, so no encoder is kept."
    encoder = seeded(module.config.encoder, facts.channels, module.config.seed)
    encoder.load_state_dict(module.last_good)
    save_encoder(run.last_good, encoder, _description(module.config, facts, encoder.feature_dim, None))
    return f"The encoder as it was after epoch {module.last_good_epoch} is kept in {run.last_good}."
