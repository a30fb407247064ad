"""Two real processes with half a batch each, averaged, are one process with the whole batch."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, distributed, multiprocessing, nn
from torch.nn.parallel import DistributedDataParallel

from simclr.loss import dcl, nt_xent, sup_con

PROCESSES = 2
N, D, WIDTH = 12, 8, 5
LIMIT_S = 120

# The careful sums of low temperatures take another way than the others.
CASES = [(name, temperature) for name in ("nt_xent", "dcl", "sup_con") for temperature in (0.2, 0.01)]


def batch() -> tuple[Tensor, Tensor, Tensor]:
    """Two views of all images, and labels whose classes lie across both halves; a third has none."""
    first, second = torch.randn(2, N, D, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return first, second, torch.arange(N) % 3 - 1


def linear() -> nn.Linear:
    torch.manual_seed(1)
    return nn.Linear(D, WIDTH).double()


def loss_of(name: str, z: Tensor, labels: Tensor, temperature: float, *, gather: bool) -> Tensor:
    first, second = z.chunk(2)
    if name == "sup_con":
        return sup_con(first, second, labels, temperature, gather=gather)
    return {"nt_xent": nt_xent, "dcl": dcl}[name](first, second, temperature, gather=gather)


def measure(model: nn.Module, rows: slice, name: str, temperature: float, *, gather: bool) -> dict[str, Tensor]:
    """Loss, gradient of the inputs and of the layer for the given images."""
    model.zero_grad()
    first, second, labels = batch()
    images = torch.cat((first[rows], second[rows])).requires_grad_()
    loss = loss_of(name, model(images), labels[rows], temperature, gather=gather)
    loss.backward()
    found = {
        f"parameter {i}": weight.grad.clone() for i, weight in enumerate(model.parameters()) if weight.grad is not None
    }
    assert images.grad is not None
    return found | {"loss": loss.detach(), "images": images.grad}


def work(rank: int, folder: Path) -> None:
    """One process: its half of the batch, once for every case; what it found goes to a file."""
    torch.set_num_threads(1)
    distributed.init_process_group(
        "gloo",
        init_method=f"file://{folder}/meeting",
        rank=rank,
        world_size=PROCESSES,
        timeout=timedelta(seconds=LIMIT_S),
    )
    model = DistributedDataParallel(linear())
    half = slice(rank * N // PROCESSES, (rank + 1) * N // PROCESSES)
    found = {case: measure(model, half, *case, gather=True) for case in CASES}
    # Without gathering each process knows its own negatives alone.
    found["alone", 0.2] = measure(model, half, "nt_xent", 0.2, gather=False)
    torch.save(found, folder / f"{rank}.pt")
    distributed.destroy_process_group()


@pytest.fixture(scope="module")
def halves(tmp_path_factory: pytest.TempPathFactory) -> list[dict[Any, dict[str, Tensor]]]:
    """What each of the processes found."""
    folder = tmp_path_factory.mktemp("processes")
    # The first is this one, and the other its fork: a new one would import torch. What has threads for a GPU cannot be forked.
    method = "spawn" if torch.accelerator.is_available() else "fork"
    other = multiprocessing.get_context(method).Process(target=work, args=(1, folder))
    other.start()
    try:
        work(0, folder)
        other.join(LIMIT_S)
        assert other.exitcode == 0
    finally:
        other.kill()
    return [torch.load(folder / f"{rank}.pt") for rank in range(PROCESSES)]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "temperature"), CASES)
def test_two_processes_with_half_a_batch_are_one_with_the_whole(
    halves: list[dict[Any, dict[str, Tensor]]], name: str, temperature: float
) -> None:
    whole = measure(linear(), slice(None), name, temperature, gather=False)
    found = [half[name, temperature] for half in halves]
    # float64 throughout: sums of a few dozen terms up to 1 / temperature, in another order.
    close = {"rtol": 1e-10, "atol": 1e-12}
    for half in found:
        torch.testing.assert_close(half["loss"], whole["loss"], **close)
        for i in range(2):  # weight and bias, averaged by DistributedDataParallel
            torch.testing.assert_close(half[f"parameter {i}"], whole[f"parameter {i}"], **close)
    # The gradient of an image appears in the process that has it alone; averaging adds zeros of the others.
    images = [torch.cat([half["images"].chunk(2)[view] for half in found]) for view in range(2)]
    torch.testing.assert_close(torch.cat(images) / PROCESSES, whole["images"], **close)


@pytest.mark.slow
def test_without_gathering_the_loss_is_another(halves: list[dict[Any, dict[str, Tensor]]]) -> None:
    whole = measure(linear(), slice(None), "nt_xent", 0.2, gather=False)
    mean = sum(float(half["alone", 0.2]["loss"]) for half in halves) / PROCESSES
    assert mean < float(whole["loss"]) - 0.1
