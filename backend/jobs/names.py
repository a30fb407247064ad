"""What jobs without a name of their own are called."""

from typing import Any

from sqlalchemy.orm import Session

from backend.catalogue.models import DatasetRow, EncoderRow

# By strategy or kind.
WORK = {"knn": "k-NN", "linear_probe": "linear probe", "fine_tune": "fine-tuning", "embed": "embeddings", "map": "map"}


def name_for(
    session: Session, encoder_id: str | None, dataset_id: str | None, config: dict[str, Any], *, kind: str
) -> str:
    """What is done to which encoder on which set, with the choices that tell its like apart."""
    dataset = session.get(DatasetRow, dataset_id) if dataset_id else None
    place = dataset.name if dataset else "Images"
    encoder = session.get(EncoderRow, encoder_id) if encoder_id else None
    if encoder is None:
        return f"{place}, {config.get('epochs', 0)} epochs"
    work = WORK.get(str(config.get("strategy", kind)), kind)
    told = ", ".join(_choices(config))
    return f"{work} of {encoder.name} on {place}{f' ({told})' if told else ''}"


def _choices(config: dict[str, Any]) -> list[str]:
    """Those of a transfer that a grid varies, where they are not the usual ones."""
    labels = config.get("labels") or {}
    depth = config.get("unfrozen_blocks")
    told = {
        "from scratch": config.get("start") == "scratch",
        "classifier alone": depth == 0,
        f"last {depth} stage{'s' if depth != 1 else ''}": bool(depth),
        f"{labels.get('shots')} labels a class": labels.get("shots") is not None,
        f"{100 * (labels.get('fraction') or 0):g} % of labels": labels.get("fraction") is not None,
        f"seed {config.get('seed') or labels.get('seed')}": bool(config.get("seed") or labels.get("seed")),
    }
    return [words for words, is_so in told.items() if is_so]
