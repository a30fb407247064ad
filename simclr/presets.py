"""Recipes to start from, as data: named policies of augmentation and named pretrainings, each with its source."""

from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from simclr.config import SIMCLR, AugmentConfig, EncoderConfig, OptimConfig, PretrainConfig

Recipe = TypeVar("Recipe", AugmentConfig, PretrainConfig)


class Preset(BaseModel, Generic[Recipe]):
    """A whole config under a name: ``why`` is a sentence for whoever chooses, ``source`` where its values come from."""

    model_config = ConfigDict(frozen=True)

    name: str
    why: str
    source: str
    config: Recipe


# No operation at all: what the other policies switch on.
STILL = AugmentConfig(crop_scale_min=1.0, flip_p=0.0, jitter_p=0.0, grey_p=0.0, blur_p=0.0)

SOLO_LEARN_VIEWS = AugmentConfig(
    crop_scale_min=0.08, crop_interpolation="bicubic", jitter_p=0.8, jitter_strength=1.0, grey_p=0.2, blur_p=0.0
)

# Jitter with factors up to 0.8 is the paper's strength 1; its standard policy on ImageNet.
IMAGENET_VIEWS = AugmentConfig(crop_scale_min=0.08, jitter_strength=1.0, blur_p=0.5)

XRAY_VIEWS = AugmentConfig(
    crop_scale_min=0.77,
    crop_scale_max=0.92,
    rotation_p=1.0,
    rotation_max=3.0,
    jitter_p=0.8,
    jitter_strength=1.0,
    grey_p=0.0,
    blur_p=0.5,
)

AUGMENT_PRESETS: tuple[Preset[AugmentConfig], ...] = (
    Preset(
        name="simclr-cifar",
        why="What small photographs are usually trained with: hard crops, strong colours, no blur.",
        source="solo-learn's CIFAR-10 recipe of the published 90.74 %",
        config=SOLO_LEARN_VIEWS,
    ),
    Preset(
        name="simclr-imagenet",
        why="The paper's own policy, for photographs of 96 px and more.",
        source=f"{SIMCLR}, A",
        config=IMAGENET_VIEWS,
    ),
    Preset(
        name="coursework-xray",
        why="For grey medical images: a large part is kept, turned by a few degrees, and only light and contrast change.",
        source="a coursework on chest X-rays of 28 px",
        config=XRAY_VIEWS,
    ),
    Preset(
        name="gentle",
        why="Easy pairs: most of the image stays and colours shift a little.",
        source="chosen here",
        config=AugmentConfig(crop_scale_min=0.6, jitter_strength=0.25, grey_p=0.05),
    ),
    Preset(
        name="crop-only",
        why="Cropping alone: how far does it get without colour? (33 % where both together reach 56 %)",
        source=f"{SIMCLR}, Fig. 5",
        config=STILL.model_copy(update={"crop_scale_min": 0.08}),
    ),
    Preset(
        name="colour-only",
        why="Colour alone: every pair shows the same pixels in another light. (19 % where both together reach 56 %)",
        source=f"{SIMCLR}, Fig. 5",
        config=STILL.model_copy(update={"jitter_p": 0.8, "jitter_strength": 1.0, "grey_p": 0.2}),
    ),
    Preset(
        name="none",
        why="Both views are the image itself: the task is solved at once and nothing is learned.",
        source="a control",
        config=STILL,
    ),
)

SOLO_LEARN = PretrainConfig(
    epochs=1000,
    batch_size=256,
    temperature=0.2,
    learning_rate=0.4,
    weight_decay=1e-5,
    warmup_epochs=10,
    projection_width=2048,
    projection_dim=256,
    projection_norm=False,
    knn_every=20,
    encoder=EncoderConfig(architecture="resnet18", width=64, stem="small"),
    augment=SOLO_LEARN_VIEWS,
    optim=OptimConfig(optimizer="lars", scaling="linear", warmup_start=3e-3, trust=0.02, trust_clip=True),
)

PRETRAIN_PRESETS: tuple[Preset[PretrainConfig], ...] = (
    Preset(
        name="quick-cpu",
        why="A first result in two to four minutes on a laptop: a small network, ten epochs, views that often lose their colour.",
        source="measured here, see docs/LOG.md",
        config=PretrainConfig(augment=AugmentConfig(grey_p=0.5)),
    ),
    Preset(
        name="small-photos",
        why="The same network with the views usual for small photographs: where the form starts.",
        source=f"{SIMCLR}, A and B.9",
        config=PretrainConfig(),
    ),
    Preset(
        name="coursework-xray",
        why="A large network on small grey images, a small batch, no schedule: the coursework this lab grew from.",
        source="a coursework on chest X-rays of 28 px",
        config=PretrainConfig(
            epochs=5,
            batch_size=32,
            temperature=1.0,
            learning_rate=1e-3,
            weight_decay=0.0,
            warmup_epochs=0.0,
            projection_width=1024,
            projection_dim=128,
            encoder=EncoderConfig(architecture="resnet50", width=64, stem="imagenet"),
            augment=XRAY_VIEWS,
            optim=OptimConfig(optimizer="adam", schedule="constant"),
        ),
    ),
    Preset(
        name="cifar10-solo-learn",
        why="The recipe behind the published 90.74 % on CIFAR-10, as it was recorded. A GPU and hours.",
        source="solo-learn, the recorded run: weight decay 1e-5, no blur, warm-up from 3e-3",
        config=SOLO_LEARN,
    ),
    Preset(
        name="cifar10-solo-learn-file",
        why="The same as its file says today: more weight decay, blur on half the views. A GPU and hours.",
        source="solo-learn, the current file: weight decay 1e-4, blur 0.5, warm-up from 3e-5",
        config=SOLO_LEARN.model_copy(
            update={
                "weight_decay": 1e-4,
                "augment": SOLO_LEARN_VIEWS.model_copy(update={"blur_p": 0.5}),
                "optim": SOLO_LEARN.optim.model_copy(update={"warmup_start": 3e-5}),
            }
        ),
    ),
    Preset(
        name="cifar10-fast",
        why="The best that ten minutes on one GPU may give: fewer epochs, milder views, a larger step.",
        source="chosen here; not yet run at full size",
        config=PretrainConfig(
            epochs=120,
            batch_size=512,
            temperature=0.2,
            learning_rate=0.03,
            weight_decay=5e-4,
            warmup_epochs=5,
            projection_width=2048,
            projection_dim=128,
            knn_every=10,
            encoder=EncoderConfig(architecture="resnet18", width=64, stem="small"),
            augment=AugmentConfig(crop_scale_min=0.2, jitter_strength=0.5),
            optim=OptimConfig(optimizer="sgd", scaling="linear"),
        ),
    ),
)


def augment_preset(name: str) -> AugmentConfig:
    """The policy called ``name``.

    Raises:
        ValueError: no preset has that name; the message lists those there are.
    """
    return _named(AUGMENT_PRESETS, name)


def pretrain_preset(name: str) -> PretrainConfig:
    """The pretraining called ``name``.

    Raises:
        ValueError: no preset has that name; the message lists those there are.
    """
    return _named(PRETRAIN_PRESETS, name)


def _named(presets: tuple[Preset[Recipe], ...], name: str) -> Recipe:
    for preset in presets:
        if preset.name == name:
            return preset.config
    raise ValueError(f"no preset '{name}': choose {', '.join(preset.name for preset in presets)}")
