"""Image sets: one store on disk, and one module per source that fills it."""

from simclr.datasets.store import Dataset, DatasetInfo, Split, open_dataset, write_dataset

__all__ = ["Dataset", "DatasetInfo", "Split", "open_dataset", "write_dataset"]
