"""Runs jobs on the GPU or CPU: claims a job, lets a child process do it, records what it tells."""
