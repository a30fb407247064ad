"""Makes the two encoders that a pretrained one must beat: random weights, and no network at all."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from backend.catalogue import queries
from backend.catalogue.engine import now
from backend.catalogue.ids import new_id
from backend.catalogue.models import DatasetRow, EncoderRow
from backend.deps import Lab
from backend.errors import ApiError, not_found
from simclr.encoder_file import image_facts, pixels_encoder, read_encoder_file
from simclr.runs import sha256_of


def add_pixels(lab: Lab, dataset: DatasetRow) -> tuple[EncoderRow, bool]:
    """The pixels of a data set's images as features, see ``simclr.encoder_file``, and whether this encoder is new."""
    facts = image_facts(lab.dataset(dataset.key))
    return enter_encoder(lab, lambda path: pixels_encoder(facts, path), f"Pixels of {dataset.name}", dataset.id)


def add_untrained(lab: Lab, like: EncoderRow, seed: int) -> tuple[EncoderRow, bool]:
    """The network of ``like`` with random weights, made by vision's child, and whether this encoder is new.

    Raises:
        ApiError: 422, ``like`` is no network.
    """
    source = lab.folder / like.key
    if like.origin == "pixels":
        message = f"{like.name} has no network, so there is none to leave untrained: name a pretrained encoder."
        raise ApiError(422, "no_network", message, "like")

    def make(path: Path) -> object:
        return lab.ask({"do": "untrained", "like": str(source), "seed": seed, "path": str(path)})

    return enter_encoder(lab, make, f"Untrained, as {like.name}, seed {seed}", like.dataset_id)


def enter_encoder(
    lab: Lab, make: Callable[[Path], object], name: str, dataset_id: str, **more: Any
) -> tuple[EncoderRow, bool]:
    """Let ``make`` write the file and enter it, with ``more`` columns. The same bytes are not kept twice, but listed."""
    encoder_id = new_id()
    key = f"encoders/{encoder_id}.safetensors"
    path = lab.folder / key
    path.parent.mkdir(parents=True, exist_ok=True)
    is_new = has_new_file = False
    try:
        make(path)
        description = read_encoder_file(path)
        digest = sha256_of(path)
        with lab.catalogue.writing() as session:
            if queries.dataset(session, dataset_id) is None:  # deleted since we looked
                raise not_found("data set", dataset_id, "it was deleted a moment ago")
            row = queries.encoder_with_content(session, digest)
            if row is None:
                row = EncoderRow(
                    id=encoder_id,
                    name=name,
                    origin=description.origin,
                    key=key,
                    sha256=digest,
                    description=description.model_dump(mode="json"),
                    dataset_id=dataset_id,
                    created_at=now(session),
                    **more,
                )
                session.add(row)
                is_new = has_new_file = True
            elif not row.listed:  # it was kept of an epoch
                row.listed = is_new = True
        return row, is_new
    finally:
        if not has_new_file:
            path.unlink(missing_ok=True)
