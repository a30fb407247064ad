"""Reads the settings for a person at a terminal: what is wrong is one line a setting, without values that may be secret."""

from pydantic import ValidationError

from backend.lab.errors import LabError
from backend.settings import PREFIX, Settings


def load_settings(port: int | None = None) -> Settings:
    """The settings from the environment; ``port`` wins over SIMCLR_LAB_PORT.

    Raises:
        LabError: a setting is wrong; the line names it and says what would be right.
    """
    try:
        return Settings() if port is None else Settings(port=port)
    except ValidationError as error:
        raise LabError("; ".join(complaint(e["loc"], e["msg"]) for e in error.errors(include_input=False))) from error


def complaint(location: tuple[int | str, ...], message: str) -> str:
    """pydantic's message under the name that the person knows."""
    message = message.removeprefix("Value error, ")
    return f"{PREFIX}{str(location[0]).upper()}: {message}" if location else message
