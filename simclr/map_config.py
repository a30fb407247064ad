"""The choices of a map of embeddings."""

from typing import Literal

from simclr.choices import Config, Seed, choice

UMAP = "McInnes et al. 2018, arXiv:1802.03426"


class MapConfig(Config):
    """A map of a data set's embeddings in two dimensions, or of several encoders' embeddings, each laid over the one before."""

    method: Literal["umap", "pca"] = choice(
        "umap",
        "UMAP keeps neighbours together and lets distances between groups go; PCA is a plain projection, drawn at once.",
        source=UMAP,
        basic=True,
    )
    features: Literal["h", "z"] = choice(
        "h", "Features h, which later work uses, or projections z, in which views are compared.", basic=True
    )
    neighbours: int = choice(
        15, "UMAP: neighbours that a point is held to; few show detail, many the broad shape.",
        unit="neighbours", source=UMAP, basic=True, ge=2, le=200,
    )  # fmt: skip
    min_dist: float = choice(
        0.1, "UMAP: how near points may come; small packs groups tightly.", source=UMAP, basic=True, ge=0.0, le=1.0
    )  # fmt: skip
    epochs: int | None = choice(
        None, "UMAP: rounds in which points move; by default 500, and 200 of more than 10,000 images.",
        unit="epochs", source="the published code of UMAP", ge=10, le=5000,
    )  # fmt: skip
    pull: float = choice(
        0.05,
        "UMAP of several encoders: share of the way back to its last place that a point goes in the first round; 0 lets go.",
        source="after the AlignedUMAP of the published code", ge=0.0, le=0.9,
    )  # fmt: skip
    seed: Seed = choice(0, "Same seed, same map.", basic=True)
