"""Two-dimensional maps of embeddings: PCA, UMAP, maps of a run's epochs aligned to each other, and how much they lie."""
