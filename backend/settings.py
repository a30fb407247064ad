"""Deployment facts, read from the environment once and passed in; an experiment's choices are in ``simclr.config``."""

import ipaddress
import os
import secrets
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

PREFIX = "SIMCLR_LAB_"
DEVICE = r"^(cpu|cuda:\d{1,2})$"


class Settings(BaseSettings):
    """Every setting of a deployment; the environment variable is the name in capitals after ``SIMCLR_LAB_``."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")

    data: Path = Field(
        Path("~/.simclr-lab"), description="Folder that holds everything: catalogue, images, encoders, jobs."
    )
    host: str = Field("127.0.0.1", description="Address to listen on; any but loopback needs TOKEN.")
    port: int = Field(8765, ge=1, le=65535, description="Port to listen on.")
    token: SecretStr | None = Field(
        None, description="Access token; made at first start and kept in the data folder if absent."
    )
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Further names, comma-separated, under which people reach the lab, such as lab.example.org:8765.",
    )
    database_url: str | None = Field(
        None, description="SQLAlchemy address of the catalogue; default: SQLite in the data folder."
    )
    redis_url: str | None = Field(
        None, description="Address of the Redis that carries wake-ups; default: a private one is started."
    )
    device: str | None = Field(
        None, pattern=DEVICE, description="Device of a worker, such as cpu or cuda:1; default: what it finds."
    )
    lanes: Annotated[tuple[Literal["long", "short", "import"], ...], NoDecode] = Field(
        ("long", "short", "import"), min_length=1, description="Queues from which a worker takes jobs, comma-separated."
    )
    short_slot: str | None = Field(
        None, pattern=DEVICE, description="Device of one more worker, for short jobs alone; default: there is none."
    )
    max_upload_mib: int = Field(2048, ge=1, description="Largest upload accepted, in MiB.")
    max_images: int = Field(200_000, ge=1, description="Most files that an archive or folder to import may hold.")
    max_pixels: int = Field(16_000_000, ge=64, description="Largest picture that is decoded, in pixels.")
    max_import_s: int = Field(1800, ge=1, description="Longest that an import may read images, in seconds.")
    max_grid_jobs: int = Field(1000, ge=1, description="Most jobs of grids that may wait at once.")
    search_engine: Literal["auto", "exact", "hnsw", "pgvector"] = Field(
        "auto", description="Engine of searches that ask for none; auto: exact for small sets, else HNSW or pgvector."
    )
    search_exact_up_to: int = Field(
        200_000, ge=0, description="Most images of a set that engine auto searches exactly; larger ones by a graph."
    )
    folders: Path | None = Field(None, description="Folder on the server whose folders may be imported; default: none.")
    download_mirror: str | None = Field(
        None,
        pattern=r"^https?://",
        description="Address that holds the files of published sets; default: their publishers.",
    )

    @model_validator(mode="before")
    @classmethod
    def _split_lists(cls, values: dict[str, object]) -> dict[str, object]:
        lists = {name: text for name in ("allowed_hosts", "lanes") if isinstance(text := values.get(name), str)}
        return values | {name: tuple(t.strip() for t in text.split(",") if t.strip()) for name, text in lists.items()}

    @model_validator(mode="after")
    def _strangers_need_the_operators_token(self) -> Self:
        if not self.is_loopback and (self.token is None or len(self.token.get_secret_value()) < 16):
            raise ValueError(
                f"{PREFIX}HOST={self.host} can be reached from other machines: set {PREFIX}TOKEN to a secret of "
                "16 characters or more, or listen on 127.0.0.1"
            )
        return self

    @property
    def is_loopback(self) -> bool:
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @cached_property
    def data_folder(self) -> Path:
        return self.data.expanduser().resolve()

    @property
    def catalogue_url(self) -> str:
        return self.database_url or f"sqlite:///{self.data_folder / 'catalogue.sqlite'}"

    @property
    def origin_hosts(self) -> frozenset[str]:
        """Exact values of the Host header that are answered."""
        names = {"127.0.0.1", "localhost", "[::1]", self.host}
        own = {f"{name}:{self.port}" for name in names}
        if self.port == 80:  # which browsers leave out
            own |= names
        return frozenset(own | set(self.allowed_hosts))

    @cached_property
    def access_token(self) -> str:
        """The operator's token, or the one kept in the data folder, made on first use and readable by its owner only."""
        if self.token is not None:
            return self.token.get_secret_value()
        path = self.data_folder / "token"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return path.read_text(encoding="ascii").strip()
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(32))
        return path.read_text(encoding="ascii").strip()
