"""Why two images are alike to an encoder, as maps over both."""

import numpy as np
import torch

from backend.vision.encoders import encoder_at
from backend.vision.frames import Header
from backend.vision.png import png
from backend.vision.previews import Reply
from simclr.datasets.images import decode_image, to_square
from simclr.similarity_map import feature_maps, similarity_maps


def why(header: Header, blobs: list[bytes]) -> Reply:
    """The similarity maps of two images, float32 below each other, and the first as a PNG such as the encoder is shown.

    The first blob is the image found, uint8 of ``shape``; the second the query: such an image as well, or, where ``is_photo``,
    a stranger's picture.
    """
    encoder, file = encoder_at(header["encoder"])
    channels, size, _ = header["shape"]
    found = np.frombuffer(blobs[0], dtype=np.uint8).reshape(header["shape"])
    if header["is_photo"]:
        query = to_square(decode_image(blobs[1], needed_px=size), channels, size)
    else:
        query = np.frombuffer(blobs[1], dtype=np.uint8).reshape(header["shape"])
    first, second = feature_maps(encoder, file, torch.from_numpy(np.stack((query, found))))
    maps = similarity_maps(first, second)
    both = torch.stack((maps.first, maps.second)).numpy()
    return {"cosine": maps.cosine, "grid": list(both.shape[1:])}, [both.tobytes(), png(np.ascontiguousarray(query))]
