"""Encoder files made of other files: checkpoints of the lab, uploads of strangers, torchvision's weights of ImageNet."""

from pathlib import Path
from typing import Any, get_args

from safetensors import SafetensorError, safe_open

from backend.vision.frames import Header
from backend.vision.previews import Reply
from simclr.encoder_file import HEADER, ImageFacts
from simclr.encoders import load_encoder, load_head, save_encoder
from simclr.saved_encoder import encoder_of_checkpoint
from simclr.weights import Published, imagenet_encoder, import_checkpoint, published_file


def of_checkpoint(header: Header, _blobs: list[bytes]) -> Reply:
    """Write the encoder as it was at a checkpoint of a pretraining."""
    encoder_of_checkpoint(Path(header["source"]), ImageFacts.model_validate(header["facts"]), Path(header["path"]))
    return {}, []


def of_upload(header: Header, _blobs: list[bytes]) -> Reply:
    """Write the network in a stranger's file; one that the lab wrote stays what it is."""
    source, path = Path(header["source"]), Path(header["path"])
    if _is_ours(source):
        _copy(source, path)
        return {"said": "An encoder file of SimCLR Lab."}, []
    facts = ImageFacts.model_validate(header["facts"])
    _, report = import_checkpoint(source, path, facts=facts, max_bytes=header["max_bytes"])
    return {"said": report.sentence()}, []


def of_imagenet(header: Header, _blobs: list[bytes]) -> Reply:
    """Write torchvision's network where its file is on this machine; nothing is downloaded."""
    imagenet_encoder(header["architecture"], header["channels"], Path(header["path"]), image_size=header["image_size"])
    return {}, []


def imagenet_files(_header: Header, _blobs: list[bytes]) -> Reply:
    """Which of torchvision's files are where they are looked for."""
    files: list[dict[str, Any]] = []
    for architecture in get_args(Published):
        file = published_file(architecture)
        files.append({"architecture": architecture, "path": str(file), "is_here": file.is_file()})
    return {"files": files}, []


def _is_ours(source: Path) -> bool:
    try:
        with safe_open(source, framework="pt") as file:
            return HEADER in (file.metadata() or {})
    except (SafetensorError, OSError):
        return False


def _copy(source: Path, path: Path) -> None:
    """Write it anew, so that nothing comes along which an encoder file does not have.

    Raises:
        ValueError: it is broken, of raw pixels, or a weight is not finite.
    """
    encoder, file = load_encoder(source)
    if file.architecture is None:
        raise ValueError("the file is of raw pixels, which need none: add the pixels of the image set")
    if not all(bool(tensor.isfinite().all()) for tensor in encoder.state_dict().values()):
        raise ValueError("the file holds NaN or infinity: this training had failed, take an earlier checkpoint")
    save_encoder(path, encoder, file, load_head(source, file))
