"""Which device a runner sees: what its worker was given, by the variables that CUDA reads."""

from collections.abc import Mapping

from backend.settings import PREFIX

VISIBLE, ORDER = "CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER"


def variables(device: str | None, environ: Mapping[str, str]) -> dict[str, str]:
    """What to add to ``environ`` so that a process sees only ``device``, "cpu" or "cuda:1"; nothing without one.

    Where CUDA_VISIBLE_DEVICES leaves some devices only, "cuda:1" is the second of them.

    Raises:
        ValueError: there are not so many.
    """
    if device is None:
        return {}
    if device == "cpu":
        return {VISIBLE: ""}
    number = int(device.removeprefix("cuda:"))
    visible = [name.strip() for name in environ[VISIBLE].split(",")] if environ.get(VISIBLE) else None
    if visible is not None and number >= len(visible):
        raise ValueError(
            f"{PREFIX}DEVICE is {device}, but {VISIBLE} names {len(visible)}: choose cuda:{len(visible) - 1} or less"
        )
    # By default CUDA counts the fastest first; nvidia-smi and the launcher count by place.
    return {VISIBLE: visible[number] if visible else str(number), ORDER: environ.get(ORDER, "PCI_BUS_ID")}


def name_of(found: str | None, given: str | None) -> str | None:
    """The name under which jobs are pinned to it: of the ``found`` type, "cpu" or "cuda", with the ``given`` number."""
    if found != "cuda":
        return found
    return given if given is not None and given.startswith("cuda") else "cuda:0"
