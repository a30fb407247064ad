"""Streams of random numbers that a seed and a purpose name, so that no two purposes share their numbers."""

import hashlib

import torch


def stream(seed: int, purpose: str, device: torch.device | None = None) -> torch.Generator:
    """A generator for one purpose of an experiment.

    torch's generator on CPUs reads 32 bits of its seed: seeds that differ only above them give the same numbers.

    Args:
        seed: The experiment's.
        purpose: Any text, such as "order" or "views 0".
        device: Where the numbers are drawn; the CPU by default.
    """
    digest = hashlib.sha256(f"{seed} {purpose}".encode()).digest()
    return torch.Generator(device or "cpu").manual_seed(int.from_bytes(digest[:4], "big"))
