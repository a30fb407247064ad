"""Where the images of a set came from: what a report tells beside the pixels, kept beside them."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel, ConfigDict

ORIGIN = "origin.json"
MOST_SIZES = 1000
MOST_SKIPPED = 10_000


class Skipped(BaseModel):
    """A file that did not become an image; ``code`` is a refusal's, or ``no_image_suffix``."""

    model_config = ConfigDict(frozen=True)

    name: str
    code: str
    reason: str


class SizeCount(BaseModel):
    """How many originals had this size in pixels, as they are stored in their files."""

    model_config = ConfigDict(frozen=True)

    width: int
    height: int
    n: int


class Origin(BaseModel):
    """What an import saw.

    Attributes:
        names: The file of every image, in the set's order; empty where images were no files.
        sizes: Sizes of the originals, the most common first, 1,000 at most.
        skipped: Files left out, by name, 10,000 at most; ``skipped_n`` counts all.
    """

    model_config = ConfigDict(frozen=True)

    names: list[str] = []
    sizes: list[SizeCount] = []
    skipped: list[Skipped] = []
    skipped_n: int = 0


def origin_of(
    names: Iterable[str] = (), sizes: Counter[tuple[int, int]] | None = None, skipped: Iterable[Skipped] = ()
) -> Origin:
    """Put together what an import saw, within the bounds of ``Origin``."""
    ordered = sorted((sizes or Counter()).items(), key=lambda item: (-item[1], item[0]))
    left_out = sorted(skipped, key=lambda file: file.name)
    return Origin(
        names=list(names),
        sizes=[SizeCount(width=width, height=height, n=n) for (width, height), n in ordered[:MOST_SIZES]],
        skipped=left_out[:MOST_SKIPPED],
        skipped_n=len(left_out),
    )


def read_origin(folder: Path) -> Origin:
    """What is known of the origin of a stored set; nothing, where its source had no files."""
    path = folder / ORIGIN
    return Origin.model_validate_json(path.read_text(encoding="utf-8")) if path.exists() else Origin()
