"""What is asked for of a map, apart from the catalogue, which the process that makes it does not know."""

from typing import Annotated

from pydantic import Field

from simclr.map_config import MapConfig

MOST_ENCODERS = 64


class MapOrder(MapConfig):
    """A map as its job's config has it: of the embeddings of these encoders, in this order."""

    encoder_ids: Annotated[list[str], Field(min_length=1, max_length=MOST_ENCODERS)]

    @property
    def choices(self) -> MapConfig:
        """Those of the map alone."""
        return MapConfig.model_validate(self.model_dump(exclude={"encoder_ids"}))
