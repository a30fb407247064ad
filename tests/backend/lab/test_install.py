"""What the set-up decides before it installs anything."""

import os
import sys
from pathlib import Path

import pytest

from backend.lab import install

ROOT = Path(__file__).parents[3]


def test_the_cpu_lock_changes_torch_and_leaves_out_what_only_cuda_needs(tmp_path: Path) -> None:
    original = (ROOT / "requirements.lock").read_text()
    cpu = install.cpu_lock(ROOT / "requirements.lock", tmp_path).read_text()

    def names(lock: str) -> set[str]:
        return {line.partition("==")[0] for line in lock.splitlines() if line[:1].isalnum()}

    left_out = names(original) - names(cpu)
    assert left_out
    assert all(name.startswith(("nvidia-", "cuda-", "triton")) for name in left_out)
    torch = next(line.split()[0] for line in original.splitlines() if line.startswith("torch=="))
    assert f"\n{torch}+cpu\n" in cpu
    assert "torchvision==" in cpu
    assert "numpy==" in cpu


def test_uv_gets_what_pip_is_configured_with(tmp_path: Path) -> None:
    pip = {
        "index-url": "https://mirror.example/simple",
        "extra-index-url": f"file://{tmp_path} file:///nonexistent/simple https://more.example/simple",
        "find-links": "/nonexistent/wheels",
        "cert": "/etc/ours.pem",
    }
    uv = install.uv_environment({"SSL_CERT_FILE": "/etc/theirs.pem"}, pip)
    assert uv["UV_DEFAULT_INDEX"] == "https://mirror.example/simple"
    assert uv["UV_INDEX"] == f"file://{tmp_path} https://more.example/simple"
    assert "UV_FIND_LINKS" not in uv
    assert "SSL_CERT_FILE" not in uv  # set already: left as it is


def test_pips_environment_wins_over_its_files(tmp_path: Path) -> None:
    (tmp_path / "pip.conf").write_text(
        "[global]\nindex-url = https://file.example/simple\ntimeout = 7\n[install]\ntimeout = 9\n"
    )
    environ = {
        "PATH": os.environ["PATH"],
        "PIP_CONFIG_FILE": str(tmp_path / "pip.conf"),
        "PIP_INDEX_URL": "https://env.example/simple",
    }
    found = install.pip_settings(sys.executable, environ)
    assert found["index-url"] == "https://env.example/simple"
    assert found["timeout"] == "9"


def test_the_chosen_torch_is_remembered(tmp_path: Path) -> None:
    assert install.chosen_torch(tmp_path, {}) == "default"
    (tmp_path / ".torch").write_text("cpu")
    assert install.chosen_torch(tmp_path, {}) == "cpu"
    assert install.chosen_torch(tmp_path, {"TORCH": "default"}) == "default"
    with pytest.raises(install.InstallError, match="TORCH=rocm is not a build"):
        install.chosen_torch(tmp_path, {"TORCH": "rocm"})


def test_another_lock_or_another_torch_is_another_state(tmp_path: Path) -> None:
    for name in ("requirements.lock", "pyproject.toml"):
        (tmp_path / name).write_text("one")
    first = install.fingerprint(tmp_path, "default")
    assert first == install.fingerprint(tmp_path, "default")
    assert first != install.fingerprint(tmp_path, "cpu")
    (tmp_path / "requirements.lock").write_text("two")
    assert first != install.fingerprint(tmp_path, "default")


def test_too_little_space_is_said_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(install.NEEDED_GIB, "default", 1e9)
    with pytest.raises(install.InstallError, match=r"GiB free and needs about .*TORCH=cpu"):
        install.require_space(tmp_path, tmp_path / ".venv", "default")
    assert list(tmp_path.iterdir()) == []
