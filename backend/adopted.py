"""Makes encoders of files that are no encoders of the lab yet: its checkpoints, uploads, and torchvision's of ImageNet."""

from pathlib import Path

from backend.baselines import enter_encoder
from backend.catalogue import queries
from backend.catalogue.models import CheckpointRow, DatasetRow, EncoderRow, JobRow
from backend.deps import Lab
from backend.errors import not_found
from backend.staging import MIB
from simclr.encoder_file import ImageFacts, image_facts


def add_checkpoint(
    lab: Lab, job: JobRow, saved: CheckpointRow, dataset: DatasetRow | None, finished: EncoderRow | None
) -> tuple[EncoderRow, bool]:
    """The encoder of a pretraining as it was at a kept checkpoint, and whether it is new.

    What it expects of images is what the ``finished`` one does, else what the images of ``dataset`` are like.

    Raises:
        ApiError: 422, the file is missing, damaged, or of no pretraining.
    """
    facts = _facts(lab, dataset) if finished is None and dataset is not None else None
    if finished is not None:
        facts = ImageFacts.model_validate({name: finished.description[name] for name in ImageFacts.model_fields})
    told = facts.model_dump(mode="json") if facts is not None else None
    header = {"do": "of_checkpoint", "source": str(lab.folder / saved.key), "facts": told}

    def make(path: Path) -> object:
        return lab.study({**header, "path": str(path)}, (), "")

    name = f"{job.name}, step {saved.step}"
    return enter_encoder(lab, make, name, str(job.dataset_id), run_id=job.id, step=saved.step)


def list_encoder(lab: Lab, encoder_id: str) -> tuple[EncoderRow, bool]:
    """An encoder that was kept of an epoch, now among all others, and whether that is new.

    Raises:
        ApiError: 404, it went meanwhile.
    """
    with lab.catalogue.writing() as session:
        row = queries.encoder(session, encoder_id)
        if row is None:
            raise not_found("encoder", encoder_id, "it was superseded a moment ago")
        was_listed, row.listed = row.listed, True
        return row, not was_listed


def add_upload(
    lab: Lab, source: Path, name: str, dataset: DatasetRow, image_size: int | None
) -> tuple[EncoderRow, bool, str]:
    """The network in an uploaded file, for images such as those of ``dataset``; whether it is new, and what was found in it.

    Raises:
        ApiError: 422, the file is broken, holds more than weights, or no residual network that fits.
    """
    facts = _facts(lab, dataset)
    if image_size is not None:
        facts = facts.model_copy(update={"image_size": image_size})
    said: list[str] = []

    def make(path: Path) -> None:
        header = {
            "do": "of_upload",
            "source": str(source),
            "facts": facts.model_dump(mode="json"),
            "path": str(path),
            "max_bytes": lab.settings.max_upload_mib * MIB,
        }
        said.append(lab.study(header, (), "").header["said"])

    row, is_new = enter_encoder(lab, make, name, dataset.id)
    return row, is_new, said[0]


def add_imagenet(lab: Lab, architecture: str, dataset: DatasetRow, image_size: int) -> tuple[EncoderRow, bool]:
    """Torchvision's network of ImageNet for the channels of ``dataset``, and whether it is new.

    Raises:
        ApiError: 422, its file is not on the server; the message says where it belongs.
    """
    header = {
        "do": "of_imagenet",
        "architecture": architecture,
        "channels": int(dataset.info["channels"]),
        "image_size": image_size,
    }

    def make(path: Path) -> object:
        return lab.study({**header, "path": str(path)}, (), "")

    return enter_encoder(lab, make, f"ImageNet, {architecture} at {image_size} px", dataset.id)


def _facts(lab: Lab, dataset: DatasetRow) -> ImageFacts:
    return image_facts(lab.dataset(dataset.key))
