"""Wrong settings are one line that names the variable and no secret."""

import pytest

from backend.lab.configuration import load_settings
from backend.lab.errors import LabError
from backend.lab.launcher import address_of, without_password
from backend.settings import Settings


def test_a_wrong_number_is_named_as_the_person_wrote_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIMCLR_LAB_PORT", "eighty")
    with pytest.raises(LabError, match=r"^SIMCLR_LAB_PORT: .*valid integer"):
        load_settings()


def test_an_option_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIMCLR_LAB_PORT", "1234")
    assert load_settings(port=4321).port == 4321


def test_a_complaint_never_shows_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIMCLR_LAB_HOST", "0.0.0.0")  # noqa: S104
    monkeypatch.setenv("SIMCLR_LAB_TOKEN", "short-secret")
    monkeypatch.setenv("SIMCLR_LAB_MAX_UPLOAD_MIB", "0")
    with pytest.raises(LabError) as one:
        load_settings()
    monkeypatch.delenv("SIMCLR_LAB_MAX_UPLOAD_MIB")
    with pytest.raises(LabError, match="SIMCLR_LAB_TOKEN") as other:
        load_settings()
    assert "short-secret" not in f"{one.value}{other.value}"
    assert "\n" not in f"{one.value}{other.value}"


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "http://127.0.0.1:8765"),
        ("0.0.0.0", "http://127.0.0.1:8765"),  # noqa: S104
        ("::", "http://[::1]:8765"),
        ("::1", "http://[::1]:8765"),
        ("localhost", "http://localhost:8765"),
    ],
)
def test_the_printed_address_is_one_the_lab_answers_under(host: str, address: str) -> None:
    settings = Settings(host=host, token="0123456789abcdef")
    assert address_of(settings) == address
    assert address.removeprefix("http://") in settings.origin_hosts


def test_a_password_of_redis_is_never_written_down() -> None:
    assert without_password("rediss://user:pass@word@redis.example:6379/0") == "rediss://redis.example:6379/0"
    assert without_password("redis+socket:///tmp/a/redis.sock") == "redis+socket:///tmp/a/redis.sock"
