"""What vision's child can do. Only this module and those it imports hold torch in the backend."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn

from backend.vision.alike import why
from backend.vision.encoders import encoder_at, head_at
from backend.vision.frames import Header
from backend.vision.previews import Reply, photo, preview, sheet, told
from simclr.datasets.errors import DatasetError
from simclr.datasets.images import decode_image, to_square
from simclr.encoders import load_encoder, prepare, untrained_encoder


def encode(header: Header, blobs: list[bytes]) -> Reply:
    """Features h or z of an uploaded image as the encoder gives them, float32, and its pixels as the set has them, uint8."""
    encoder, file = encoder_at(header["encoder"])
    size = header["image_size"]
    picture = to_square(decode_image(blobs[0], needed_px=size), header["channels"], size)
    image = torch.from_numpy(np.array(picture)[None])
    with torch.inference_mode():
        h = encoder(prepare(image, file))
        features = (head_at(header["encoder"])(h) if header["features"] == "z" else h)[0].numpy()
    length = float(np.linalg.norm(features))
    if not (np.isfinite(length) and length > 0):
        raise ValueError("the encoder sees nothing in this image, so it has no neighbours: try another one")
    return {}, [features.astype(np.float32).tobytes(), picture.tobytes()]


def untrained(header: Header, _blobs: list[bytes]) -> Reply:
    """Write an encoder such as ``like`` with random weights."""
    _, like = load_encoder(Path(header["like"]))
    if like.architecture is None:
        raise ValueError(f"{header['like']} has no network")
    untrained_encoder(like.architecture, like, header["seed"], Path(header["path"]))
    return {}, []


def study(header: Header, blobs: list[bytes]) -> Reply:
    """A study of a policy, or of an encoder's neighbours."""
    # Its solver costs a part of a second that the child of previews never needs.
    from backend.vision.studies import STUDIES

    return STUDIES[header["do"]](header, blobs)


def adoption(header: Header, blobs: list[bytes]) -> Reply:
    """An encoder file made of another file."""
    # Reading strangers' weights is rare, and torchvision costs seconds.
    from backend.vision import adoption

    make = {
        "of_checkpoint": adoption.of_checkpoint,
        "of_upload": adoption.of_upload,
        "of_imagenet": adoption.of_imagenet,
        "imagenet_files": adoption.imagenet_files,
    }
    return make[header["do"]](header, blobs)


OPERATIONS: dict[str, Callable[[Header, list[bytes]], Reply]] = {
    "preview": preview,
    "story": told,
    "sheet": sheet,
    "photo": photo,
    "shortcuts": study,
    "hardness": study,
    "label_costs": study,
    "retrieval": study,
    "hubs": study,
    "maps": study,
    "encode": encode,
    "why": why,
    "untrained": untrained,
    "of_checkpoint": adoption,
    "of_upload": adoption,
    "of_imagenet": adoption,
    "imagenet_files": adoption,
}


def reply(header: Header, blobs: list[bytes]) -> Reply:
    """Do what is asked; refusals become answers, anything else ends this process, and the parent starts another."""
    try:
        answer, made = OPERATIONS[header["do"]](header, blobs)
    except DatasetError as refusal:
        return {"ok": False, "code": refusal.code, "message": str(refusal)}, []
    except (ValueError, OSError) as refusal:
        return {"ok": False, "code": "not_computable", "message": str(refusal)}, []
    except MemoryError:
        message = "There is not enough memory for this image: make it smaller."
        return {"ok": False, "code": "too_large", "message": message}, []
    return {"ok": True, **answer}, made


def warm_up() -> None:
    """Touch every operation once, so that the first preview is as quick as the second."""
    torch.set_num_threads(1)
    images = torch.zeros(2, 3, 32, 32, dtype=torch.uint8)
    header = {"shape": list(images.shape), "config": {"blur_p": 1.0}, "seed": 0, "indices": [0, 1]}
    _, pngs = preview({**header, "views": 2, "alone": ["crop"]}, [images.numpy().tobytes()])
    to_square(decode_image(pngs[0]), 3, 16)
    with torch.inference_mode():
        nn.Conv2d(3, 8, 3)(torch.zeros(1, 3, 32, 32))
