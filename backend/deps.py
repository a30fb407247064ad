"""What handlers share: the lab of the running process."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from backend.security import Keys
from backend.settings import Settings


@dataclass
class Lab:
    """Everything a handler needs, made when the process starts."""

    settings: Settings
    keys: Keys


def lab_of(request: Request) -> Lab:
    lab: Lab = request.app.state.lab
    return lab


LabDep = Annotated[Lab, Depends(lab_of)]
