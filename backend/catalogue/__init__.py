"""The catalogue: every dataset, job, event, encoder, bank and result is a row here. The one truth."""
