"""Which epochs of a pretraining keep their encoder: few, spread, and chosen without knowing how long it will train."""


def kept_epochs(done: int, most: int) -> list[int]:
    """Of the epochs 0 (untrained) to ``done`` those whose encoders are kept, ``most`` of them at most, ascending.

    The first three come first, as features change fastest there, then powers of two, then what the largest power of two divides.
    This order never changes, so what is dropped once is not wanted later: a training that was interrupted, or is given more
    epochs, keeps what one of that length keeps, and nothing has to be foretold.
    """
    return sorted(sorted(range(done + 1), key=_rank)[:most])


def _rank(epoch: int) -> tuple[int, int, int]:
    if epoch <= 2:
        return 0, 0, epoch
    divisor = epoch & -epoch
    return (1 if divisor == epoch else 2), -divisor, epoch
