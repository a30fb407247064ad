"""When memory runs out: recognise it on any device, and find out which batch would have fitted."""

import ctypes
import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from traceback import clear_frames

import torch

from simclr.events import OutOfMemory

# The CPU's allocator has no error class of its own; oneDNN says only that it could not do its work, and torch.save that
# the buffer in memory to which it writes ended too early.
CPU_SAYS = (
    "can't allocate memory",
    "could not allocate",
    "could not create a primitive",
    "could not execute a primitive",
    "unexpected pos ",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether ``error`` says that memory ran out, on a CPU or an accelerator."""
    said = isinstance(error, RuntimeError) and any(words in str(error) for words in CPU_SAYS)
    return said or isinstance(error, MemoryError | torch.OutOfMemoryError)


@contextmanager
def naming_what_fits(work: Callable[[int], object], batch_size: int) -> Iterator[None]:
    """Where memory runs out inside the block, say at which batch it would not, found by trying ``work(batch)``.

    Raises:
        OutOfMemory: memory ran out in the block.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        # The frames of what failed hold its tensors, which would be missing when smaller batches are tried.
        clear_frames(error.__traceback__)
        fits = largest_batch(work, batch_size)
        short = f"memory ran out at batch_size {batch_size}"
        if fits is None:
            raise OutOfMemory(
                f"{short}, and not even 2 images fit: choose a smaller encoder or smaller images"
            ) from error
        raise OutOfMemory(f"{short}: {fits} fits, as tried just now") from error


def largest_batch(work: Callable[[int], object], batch_size: int) -> int | None:
    """The largest of batch_size / 2, / 4, … at which ``work(batch)`` does not run out of memory; None if none does.

    Raises:
        Exception: whatever else goes wrong in ``work``.
    """
    size = batch_size // 2
    while size >= 2:
        _free()
        try:
            work(size)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            size //= 2
        else:
            return size
    return None


def _free() -> None:
    gc.collect()
    # Training keeps freed memory in the heap (see device.py), where not every part of a step can use it.
    libc = ctypes.CDLL(None)
    if hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
