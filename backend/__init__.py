"""The API: takes requests, keeps the catalogue, queues jobs. Never imports torch in its own process."""
