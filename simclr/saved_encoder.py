"""The encoder inside a checkpoint of a pretraining, so that every stage of a training can be compared."""

from pathlib import Path

import torch

from simclr.config import PretrainConfig
from simclr.encoder_file import EncoderFile, ImageFacts, projection_of
from simclr.encoders import build_head, save_encoder, seeded
from simclr.resume import read_training


def encoder_of_checkpoint(source: Path, facts: ImageFacts, path: Path) -> EncoderFile:
    """Write the encoder as it was at a checkpoint, with its projection head; the moving average where there was one.

    Args:
        source: A checkpoint of a pretraining.
        facts: What the network expects of images, which a checkpoint does not say: of the run's finished encoder, or of the
            images that it was trained on.
        path: The encoder file to write; it appears complete or not at all.

    Raises:
        ValueError: ``source`` cannot be read, belongs to a fine-tuning, or does not fit ``facts``.
    """
    saved = read_training(source)
    if saved.facts.get("kind") != "pretrain":
        raise ValueError(
            f"{source} belongs to a {saved.facts.get('kind')}: only a pretraining's checkpoint holds an encoder"
        )
    config = saved.config_as(PretrainConfig)
    encoder = seeded(config.encoder, facts.channels, config.seed)
    with torch.random.fork_rng(devices=[]):
        head = build_head(config, encoder.feature_dim)
    try:
        network = saved.state["parts"]["network"]
        trained = {part: _below(network, part) for part in ("encoder", "head")}
        encoder.load_state_dict(saved.state["parts"].get("average", trained["encoder"]))
        head.load_state_dict(trained["head"])
    except (KeyError, TypeError, RuntimeError) as error:
        said = " ".join(str(error).split())[:200]
        raise ValueError(f"{source} holds no network for images of {facts.channels} channels ({said})") from error
    file = EncoderFile(
        **facts.model_dump(include=set(ImageFacts.model_fields)),
        origin="pretrained",
        architecture=config.encoder,
        feature_dim=encoder.feature_dim,
        projection=projection_of(config),
    )
    save_encoder(path, encoder, file, head)
    return file


def _below(weights: dict[str, torch.Tensor], part: str) -> dict[str, torch.Tensor]:
    return {name.removeprefix(f"{part}."): t for name, t in weights.items() if name.startswith(f"{part}.")}
