"""SimCLR as a library: views, contrastive pretraining, transfer, embedding and search. No web, no queue, no database."""

__version__ = "0.1.0"
