"""Banks of embeddings as they are written: rows of unit length and the lengths that they had, one image after the other."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
from numpy.lib.format import header_data_from_array_1_0, write_array_header_1_0
from numpy.typing import NDArray

from simclr.index import norms_beside
from simclr.runs import writing

Rows = NDArray[np.float32]


@contextmanager
def bank_of(path: Path, n: int, dim: int) -> Iterator[Callable[[Rows], None]]:
    """A bank of ``n`` images at ``path``, which appears with the block's end; what is given takes its features, part after part.

    The parts are float32 of shape (m, dim), as the encoder gives them, and finite. Of all rows only the lengths are held in
    memory, and they are written beside the bank first, so that no bank is ever seen without.

    Raises:
        DiskFull: it does not fit.
    """
    norms = np.empty(n, np.float32)
    done = 0
    with ExitStack() as files:
        bank = files.enter_context(writing(path, 4 * n * dim))
        lengths = files.enter_context(writing(norms_beside(path), norms.nbytes))
        # Written as a stream and not through a memory map: on a full disk that ends the process instead of saying so.
        file = files.enter_context(bank.open("wb"))
        write_array_header_1_0(file, header_data_from_array_1_0(np.empty((0, dim), np.float32)) | {"shape": (n, dim)})

        def add(rows: Rows) -> None:
            nonlocal done
            part = slice(done, done + len(rows))
            norms[part] = np.sqrt(np.einsum("nd,nd->n", rows, rows, dtype=np.float64))
            file.write(_directions(rows, norms[part]).tobytes())
            done += len(rows)

        yield add
        if done != n:
            raise ValueError(f"a bank of {n} images was given {done}")
        np.save(lengths, norms, allow_pickle=False)


def _directions(rows: Rows, norms: Rows) -> Rows:
    """An all-zero feature has no direction; all of them get the same one, so they are neighbours of each other."""
    is_zero = (norms < np.finfo(np.float32).tiny)[:, None]
    directions: Rows = np.where(is_zero, 1 / np.sqrt(rows.shape[1]), rows / np.where(is_zero, 1, norms[:, None]))
    return directions.astype(np.float32)
