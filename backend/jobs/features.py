"""Where workers keep features of frozen encoders between jobs, and how those of a deleted set go."""

from pathlib import Path

from simclr.datasets.store import read_info
from simclr.feature_cache import forget_dataset


def features_folder(data_folder: Path) -> Path:
    """Below the data folder; whatever is in it can be computed again."""
    return data_folder / "cache" / "features"


def forget_features(data_folder: Path, dataset: Path) -> None:
    """Delete what is kept of the set in the folder ``dataset``, as long as that says which set it is."""
    try:
        content_hash = read_info(dataset).content_hash
    except (OSError, ValueError):
        return
    forget_dataset(features_folder(data_folder), content_hash)
