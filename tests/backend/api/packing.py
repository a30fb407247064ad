"""Archives as people send them, and as they should not."""

import io
import zipfile

import numpy as np
from PIL import Image


def png(seed: int = 0, size: tuple[int, int] = (12, 12)) -> bytes:
    file = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def packed(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def archive(n: int = 20, seed: int = 0) -> bytes:
    """A zip of ``n`` images in two classes."""
    return packed({f"{'ab'[i % 2]}/{i}.png": png(seed + i) for i in range(n)})


def npz(**arrays: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()
