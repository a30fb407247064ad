"""Where and how tensors are worked on, chosen from the machine, with the reason: device, precision, threads, compiler, heap.

One choice is the same everywhere and so is none: tensors of images are laid out channels_last, the faster way on all of them.
"""

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, TypeVar, cast

import torch

from simclr import winograd
from simclr.cores import usable_threads

Forward = TypeVar("Forward", bound=Callable[..., Any])

# glibc's malloc.h: parameter numbers of mallopt.
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3
# The most that glibc takes for M_MMAP_THRESHOLD on 64 bits.
MMAP_THRESHOLD_BYTES = 32 << 20
KEPT_HEAP_BYTES = 1 << 30
# Compiling a network takes about a minute: fewer steps than this would not earn it back.
COMPILED_FROM_STEPS = 5_000
# The oldest NVIDIA cards that torch's compiler writes for.
TRITON_NEEDS = (7, 0)


@dataclass(frozen=True)
class Device:
    """A choice of where to work; ``reason`` is a sentence for the person who watches.

    ``threads`` work on a training step together on a CPU, half of them on each view; an operation by itself has fewer.
    ``compiler`` names torch's compiler where long trainings gain by one; ``winograd`` is about 3×3 convolutions, see there.
    """

    device: torch.device
    bf16: bool
    threads: int
    reason: str
    compiler: str | None = None
    winograd: bool = False

    @property
    def name(self) -> str:
        """What a result records, such as "cpu, float32, Winograd, 2 threads"."""
        if self.device.type == "cuda":
            return f"{torch.cuda.get_device_name(self.device)}, {_precision(self.bf16)}"
        how = ", Winograd" if self.winograd else ""
        return f"cpu, {_precision(self.bf16)}{how}, {self.threads} thread{'s' if self.threads != 1 else ''}"

    def autocast(self) -> torch.autocast:
        """The context for forward passes in training; float32 where bfloat16 does not pay."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16)

    def compiles(self, steps: int) -> bool:
        """Whether a training of so many ``steps`` earns back what compiling its network takes."""
        return self.compiler is not None and steps >= COMPILED_FROM_STEPS

    def compiled(self, forward: Forward, steps: int) -> Forward:
        """``forward`` itself, or compiled at its first call where that pays."""
        if self.compiler is None or not self.compiles(steps):
            return forward
        return cast(Forward, torch.compile(forward, backend=self.compiler))


def choose_device() -> Device:
    """A CUDA device where there is one, else the CPU; sets torch's number of threads and keeps the heap mapped.

    bfloat16 is chosen where the hardware multiplies it: measured 2 to 3 times faster in training on an AMD Zen 4 with
    channels_last than float32 in the default layout. Nothing is measured at run time, so the choice is the same every time.

    An operation by itself leaves one core to the rest of the machine: threads that share an operation wait for the slowest,
    so a single busy neighbour stalls them all. Measured on two cores: two such threads train at 2,190 images/s alone but at
    112 to 359 beside a neighbour. Training gives each view its own threads instead; see ``halves``.
    """
    threads = usable_threads()
    torch.set_num_threads(max(1, threads - 1))
    kept = keep_heap_mapped()
    if torch.cuda.is_available():
        device = torch.device("cuda")
        bf16 = torch.cuda.get_device_capability(device) >= (8, 0)
        why = "its cores multiply it" if bf16 else "its cores do not multiply bfloat16"
        compiler = "inductor" if can_compile(torch.cuda.get_device_capability(device)) else None
        trainings = f"; trainings of {COMPILED_FROM_STEPS:,} steps or more are compiled first" if compiler else ""
        name = torch.cuda.get_device_name(device)
        return Device(
            device,
            bf16,
            threads,
            f"Working on {name} in {_precision(bf16)} and channels_last: {why}{trainings}.",
            compiler,
        )
    bf16 = cpu_multiplies_bf16()
    why = "this CPU multiplies it in hardware" if bf16 else "this CPU has no bfloat16 instructions"
    cores = "1 thread" if threads == 1 else f"{threads} threads"
    heap = "; freed memory is kept for the next step" if kept else ""
    how = f"{_precision(bf16)} and channels_last: {why}{heap}{winograd.told()}"
    return Device(
        torch.device("cpu"),
        bf16,
        threads,
        f"Working on the CPU with {cores}, as no CUDA device was found, in {how}.",
        winograd=winograd.compiled().functions is not None,
    )


def can_compile(capability: tuple[int, int]) -> bool:
    """Whether torch can compile for a CUDA device of this compute capability: it needs Triton, which not all builds bring."""
    return capability >= TRITON_NEEDS and find_spec("triton") is not None


def cpu_multiplies_bf16() -> bool:
    """Whether the CPU has AVX-512 BF16 or AMX and this build of torch uses them."""
    # Older releases lack some of these names; a missing one means no.
    checks = (getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
    onednn = bool(torch.backends.mkldnn.is_available())  # type: ignore[no-untyped-call]
    return onednn and any(check() for check in checks if check is not None)


def keep_heap_mapped() -> bool:
    """Ask glibc to keep freed memory instead of returning it at every step; elsewhere nothing happens, and the answer is False.

    Large tensors otherwise come as fresh, zeroed pages each time: measured up to 1.7 times slower training in float32.
    """
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "mallopt"):
        return False
    asked = ((M_MMAP_THRESHOLD, MMAP_THRESHOLD_BYTES), (M_TRIM_THRESHOLD, KEPT_HEAP_BYTES), (M_TOP_PAD, 64 << 20))
    # mallopt answers 1 for yes.
    return all(libc.mallopt(parameter, value) == 1 for parameter, value in asked)


def _precision(bf16: bool) -> str:
    return "bfloat16" if bf16 else "float32"
