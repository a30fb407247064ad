"""The launcher: starts Redis, worker and API, watches over them, and stops them in order."""
