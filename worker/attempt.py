"""One attempt at a job, inside the process that exists for it: an order in, events and a result or a refusal out."""

import resource
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from backend.jobs.map_order import MapOrder
from backend.jobs.states import Kind
from simclr.config import EmbedConfig, PretrainConfig, transfer_config
from simclr.datasets.store import Dataset, open_dataset
from simclr.events import Emit, OutOfMemory, ShouldStop, Stopped
from simclr.results import JobResult
from simclr.runs import DiskFull, Run
from worker.protocol import Exit, Finished, Message, Order, Refused

Say = Callable[[Message], None]
# Kilobytes on Linux, bytes on a Mac.
RU_MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024


def attempt(order: Order, say: Say, should_stop: ShouldStop) -> int:
    """Do the job and return the exit code; what went wrong is said, or printed with its traceback."""
    try:
        say(Finished(result=perform(order, say, should_stop), peak_bytes=peak_bytes()))
    except Stopped:
        return Exit.STOPPED
    except DiskFull as error:
        say(Refused(code="disk", message=f"The disk is full: {error}."))
        return Exit.DISK
    except OSError as error:
        say(Refused(code="disk", message=f"Files could not be read or written: {error}"))
        return Exit.DISK
    except OutOfMemory as error:
        traceback.print_exc()
        say(Refused(code="out_of_memory", message=str(error)))
        return Exit.BAD_INPUT
    except ValueError as error:
        traceback.print_exc()
        say(Refused(code="bad_input", message=str(error)))
        return Exit.BAD_INPUT
    except Exception as error:
        if not _is_out_of_memory(error):
            raise
        traceback.print_exc()
        say(Refused(code="out_of_memory", message=_memory_advice(order)))
        return Exit.BAD_INPUT
    return Exit.DONE


def perform(order: Order, emit: Emit, should_stop: ShouldStop) -> JobResult:
    """Call the science that the order names.

    Raises:
        ValueError: the config or the data cannot be used; pydantic's ValidationError is one.
        Stopped: ``should_stop`` said so.
    """
    if order.kind is Kind.MAP:
        from simclr.maps.make import make_maps

        choices = MapOrder.model_validate(order.config).choices
        return make_maps(
            choices, order.banks, Run(order.run), emit, should_stop,
            resume=order.resume, keep_every_s=order.checkpoint_epoch_s,
        )  # fmt: skip
    # The runner has loaded these before; naming them here keeps its first lines, and tests of them, free of torch.
    from simclr.embed import embed
    from simclr.feature_cache import FeatureCache
    from simclr.pretrain import pretrain
    from simclr.resume import Cadence
    from simclr.transfer import transfer

    dataset, run = _dataset_of(order), Run(order.run)
    cache = FeatureCache(order.features) if order.features is not None else None
    cadence = Cadence(order.checkpoint_epoch_s, order.checkpoint_most_s)
    match order.kind:
        case Kind.PRETRAIN:
            config = PretrainConfig.model_validate(order.config)
            return pretrain(config, dataset, run, emit, should_stop, resume=order.resume, cadence=cadence)
        case Kind.TRANSFER:
            strategy = transfer_config.validate_python(order.config)
            encoder = _encoder_of(order)
            return transfer(
                strategy, encoder, dataset, run, emit, should_stop, resume=order.resume, cadence=cadence, cache=cache
            )
        case Kind.EMBED:
            wanted = EmbedConfig.model_validate(order.config)
            return embed(wanted, _encoder_of(order), dataset, run, emit, should_stop, cache)
        case Kind.IMPORT:
            raise ValueError("an import is no work for a runner, which holds torch: its slot is worker.importing's")


def peak_bytes() -> int:
    """The most memory that this process held: on the GPU where it used one, else on the machine."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        return int(torch.cuda.max_memory_allocated())
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * RU_MAXRSS_UNIT


def _dataset_of(order: Order) -> Dataset:
    if order.dataset is None:
        raise ValueError(f"a job of kind {order.kind} needs a data set: choose one and submit again")
    return open_dataset(order.dataset)


def _encoder_of(order: Order) -> Path:
    if order.encoder is None:
        raise ValueError(f"a job of kind {order.kind} needs an encoder: choose one and submit again")
    return order.encoder


def _is_out_of_memory(error: Exception) -> bool:
    from simclr.memory import is_out_of_memory

    return is_out_of_memory(error)


def _memory_advice(order: Order) -> str:
    size = order.config.get("batch_size")
    if size is None or size < 4:
        return "memory ran out: choose a smaller encoder, or fewer or smaller images"
    return f"memory ran out at batch_size {size}: try {size // 2}"
