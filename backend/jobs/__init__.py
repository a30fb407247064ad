"""The life of a job: its states, the statements that move it, and the bell that wakes a worker. Shared with the worker."""
