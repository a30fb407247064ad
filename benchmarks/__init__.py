"""Measured speed beside the peers that people would use instead, in the same run on the same machine."""
