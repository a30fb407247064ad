"""Types of fields that several requests share."""

import unicodedata
from typing import Annotated

from pydantic import AfterValidator, Field

from backend.catalogue.ids import ID_PATTERN

MAX_NAME = 100

RowId = Annotated[str, Field(pattern=ID_PATTERN, description="Id of a row: 26 digits and small letters.")]


def clean_name(text: str) -> str:
    """A name as one line: control, bidirectional and other invisible characters removed, blanks collapsed, 100 at most."""
    visible = "".join(
        " " if c.isspace() else c for c in text if c.isspace() or not unicodedata.category(c).startswith("C")
    )
    return " ".join(visible.split())[:MAX_NAME]


Name = Annotated[str, Field(max_length=1000), AfterValidator(clean_name)]
Device = Annotated[str, Field(pattern=r"^(cpu|cuda:\d{1,2})$", description="Such as cpu or cuda:1.")]
