"""What every config is made of: frozen models, and fields that carry the reason a person reads beside them."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

SIMCLR = "Chen et al. 2020, arXiv:2002.05709"


def choice(default: Any, why: str, *, unit: str = "", source: str = "", basic: bool = False, **limits: Any) -> Any:
    """One field: its default, the reason a person reads beside it, and where the default comes from.

    ``basic`` fields stand open in a form, the others are folded away; ``unit`` and ``source`` travel in the JSON schema.
    """
    return Field(
        default,
        description=why,
        json_schema_extra={"unit": unit, "source": source, "basic": basic},
        **limits,
    )


class Config(BaseModel):
    """Frozen, without unknown keys, NaN or infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


Seed = Annotated[int, Field(ge=0, le=2**31 - 1)]
