"""Fills ``.venv`` with exactly the locked packages; run by a plain Python 3.11 or 3.12, before anything is installed.

A second run with the same lock and the same choice of torch does nothing and takes a few milliseconds.
"""

import ast
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

UV = "uv==0.13.9"
NEEDED_GIB = {"default": 7.0, "cpu": 2.5}  # measured: the installed packages, and uv's cache of them on the same disk
CUDA_ONLY = re.compile(r"(nvidia|cuda)-|triton$")  # what PyPI's torch needs beside itself, and the CPU build does not


class InstallError(Exception):
    """Says in one line what is missing and what to do."""


def main() -> int:
    root = Path(__file__).resolve().parents[2]
    try:
        install(root, os.environ)
        if sys.argv[1:] == ["lock"]:
            lock(root, os.environ)
        if sys.argv[1:] == ["bench"]:
            install_peers(root, os.environ)
    except InstallError as error:
        sys.stderr.write(f"simclr-lab: {error}\n")
        return 1
    return 0


def install(root: Path, environ: Mapping[str, str]) -> None:
    """Bring ``root/.venv`` in line with ``root/requirements.lock``.

    Args:
        root: The checkout.
        environ: ``TORCH`` = ``cpu`` or ``default`` chooses the build of torch; without it the last choice stays.

    Raises:
        InstallError: no space, no network, or the package index lacks something.
    """
    venv = root / ".venv"
    torch = chosen_torch(venv, environ)
    ready, wanted = venv / ".ready", fingerprint(root, torch)
    if ready.is_file() and ready.read_text(encoding="ascii") == wanted and runs(venv / "bin/python"):
        return
    require_space(root, venv, torch)
    if not runs(venv / "bin/python"):
        call([sys.executable, "-m", "venv", "--clear", str(venv)], environ, "a virtual environment could not be made")
    python = str(venv / "bin/python")
    call(
        [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", UV],
        environ,
        f"pip could not install {UV}: is the package index reachable?",
    )
    environ = {**environ, **uv_environment(environ, pip_settings(python, environ))}
    uv_pip = [str(venv / "bin/uv"), "pip"]
    locked = root / "requirements.lock"
    if torch == "cpu":
        locked = cpu_lock(locked, venv)
        require_cpu_build(uv_pip, python, locked, environ)
    ready.unlink(missing_ok=True)
    missing = "the locked packages could not be installed: uv says above which, and why"
    call([*uv_pip, "sync", "--python", python, str(locked)], environ, missing)
    editable = [*uv_pip, "install", "--quiet", "--python", python, "--no-deps", "-e", str(root)]
    call(editable, environ, "the checkout itself could not be installed")
    (venv / ".torch").write_text(torch, encoding="ascii")
    ready.write_text(wanted, encoding="ascii")


def lock(root: Path, environ: Mapping[str, str]) -> None:
    """Renew ``requirements.lock`` for every platform; versions stay where pyproject.toml allows, and no index is named."""
    python = str(root / ".venv/bin/python")
    compile_lock = [
        str(root / ".venv/bin/uv"), "pip", "compile", "--quiet", "--universal", "--generate-hashes",
        "--python", python, "--group", "pyproject.toml:dev", "--custom-compile-command", "make lock",
        "pyproject.toml", "-o", "requirements.lock",
    ]  # fmt: skip
    compile_peers = [
        *compile_lock[:3], "--quiet", "--universal", "--generate-hashes", "--no-deps", "--python", python,
        "--group", "pyproject.toml:bench", "--custom-compile-command", "make lock", "-o", "benchmarks/requirements.lock",
    ]  # fmt: skip
    environ = {**environ, **uv_environment(environ, pip_settings(python, environ)), "UV_FIND_LINKS": ""}
    for command in (compile_lock, compile_peers):
        call(command, environ, "pyproject.toml could not be resolved: uv says above why", folder=root)


def install_peers(root: Path, environ: Mapping[str, str]) -> None:
    """Put what only the benchmarks need into ``.venv/bench``, so that nothing else can come to rely on it."""
    python, locked = str(root / ".venv/bin/python"), root / "benchmarks/requirements.lock"
    target = root / ".venv/bench"
    ready, wanted = target / ".ready", hashlib.sha256(locked.read_bytes()).hexdigest()
    if ready.is_file() and ready.read_text(encoding="ascii") == wanted:
        return
    environ = {**environ, **uv_environment(environ, pip_settings(python, environ))}
    uv = [str(root / ".venv/bin/uv"), "pip", "install", "--quiet", "--python", python, "--target", str(target)]
    call(
        [*uv, "--no-deps", "-r", str(locked)],
        environ,
        "the benchmarks' peers could not be installed: uv says above why",
    )
    ready.write_text(wanted, encoding="ascii")


def chosen_torch(venv: Path, environ: Mapping[str, str]) -> str:
    """``cpu`` or ``default``: what ``TORCH`` says, else what was installed last, else PyPI's build."""
    chosen = environ.get("TORCH", "").strip()
    if not chosen:
        remembered = venv / ".torch"
        chosen = remembered.read_text(encoding="ascii") if remembered.is_file() else "default"
    if chosen not in NEEDED_GIB:
        raise InstallError(f"TORCH={chosen} is not a build of torch: use TORCH=cpu or TORCH=default")
    return chosen


def fingerprint(root: Path, torch: str) -> str:
    """Names one state of ``.venv``: another lock, checkout folder or build of torch gives another name."""
    facts = [str(root), torch, UV]
    files = [root / "requirements.lock", root / "pyproject.toml"]
    return hashlib.sha256("\0".join(facts).encode() + b"".join(file.read_bytes() for file in files)).hexdigest()


def runs(python: Path) -> bool:
    """Whether the interpreter is there and starts (the Python below a venv may have been removed)."""
    if not python.exists():
        return False
    return subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode == 0


def require_space(root: Path, venv: Path, torch: str) -> None:
    if (venv / ".torch").is_file():
        return  # only differences are installed
    free_gib, needed_gib = shutil.disk_usage(root).free / 2**30, NEEDED_GIB[torch]
    if free_gib < needed_gib:
        advice = ", or choose the CPU build of torch with TORCH=cpu (2.5 GiB)" if torch == "default" else ""
        raise InstallError(f"{root} has {free_gib:.1f} GiB free and needs about {needed_gib} GiB: free some{advice}")


def pip_settings(python: str, environ: Mapping[str, str]) -> dict[str, str]:
    """What the person's pip is configured with, by option; the environment wins over files, ``install`` over ``global``."""
    listed = subprocess.run(
        [python, "-m", "pip", "config", "list"], env=dict(environ), capture_output=True, text=True, check=False
    )
    ranked: dict[str, tuple[int, str]] = {}
    for line in listed.stdout.splitlines():
        key, separator, value = line.partition("=")
        section, _, option = key.rpartition(".")
        rank = {"global": 0, "install": 1, ":env:": 2}.get(section, -1)
        if separator and rank >= ranked.get(option, (0, ""))[0]:
            ranked[option] = (rank, str(ast.literal_eval(value)))
    return {option: value for option, (_, value) in ranked.items()}


def uv_environment(environ: Mapping[str, str], pip: Mapping[str, str]) -> dict[str, str]:
    """uv does not read pip's configuration: the same index, links and certificates, as uv's own variables.

    Variables that are set already stay; local folders that do not exist are left out, because uv, unlike pip, stops at them.
    """

    def existing(value: str) -> list[str]:
        return [place for place in value.split() if is_remote(place) or Path(place.removeprefix("file://")).is_dir()]

    translate: dict[str, tuple[str, Callable[[str], str]]] = {
        "index-url": ("UV_DEFAULT_INDEX", str),
        "extra-index-url": ("UV_INDEX", lambda value: " ".join(existing(value))),
        "find-links": ("UV_FIND_LINKS", lambda value: " ".join(existing(value))),
        "no-index": ("UV_NO_INDEX", str),
        "trusted-host": ("UV_INSECURE_HOST", str),
        "cert": ("SSL_CERT_FILE", str),
        "proxy": ("ALL_PROXY", str),
        "timeout": ("UV_HTTP_TIMEOUT", str),
        "default-timeout": ("UV_HTTP_TIMEOUT", str),
    }
    translated = {name: convert(pip[option]) for option, (name, convert) in translate.items() if option in pip}
    # Like pip, take a version from whichever index has it; the lock's hashes decide what is accepted.
    translated |= {"UV_INDEX_STRATEGY": "unsafe-best-match", "UV_PYTHON_DOWNLOADS": "never"}
    return {name: value for name, value in translated.items() if value and name not in environ}


def is_remote(place: str) -> bool:
    return "://" in place and not place.startswith("file://")


def cpu_lock(lock: Path, venv: Path) -> Path:
    """Write the lock with torch and torchvision in their CPU builds, and without what only CUDA needs."""
    kept: list[str] = []
    for block in re.split(r"(?m)^(?=[a-z0-9])", lock.read_text(encoding="utf-8")):
        name, _, rest = block.partition("==")
        if name in ("torch", "torchvision"):
            kept.append(f"{name}=={rest.split()[0]}+cpu\n")
        elif not CUDA_ONLY.match(name):
            kept.append(block)
    written = venv / "requirements-cpu.lock"
    written.write_text("".join(kept), encoding="utf-8")
    return written


def require_cpu_build(uv_pip: list[str], python: str, lock: Path, environ: Mapping[str, str]) -> None:
    builds = re.findall(r"(?m)^(\S+\+cpu)$", lock.read_text(encoding="utf-8"))
    command = [*uv_pip, "install", "--dry-run", "--no-deps", "--reinstall", "--python", python, *builds]
    if subprocess.run(command, env=dict(environ), capture_output=True, check=False).returncode:
        raise InstallError(
            f"TORCH=cpu: your package index has no {' and '.join(builds)}; add one that has them to pip's "
            "extra-index-url, or use TORCH=default"
        )


def call(command: list[str], environ: Mapping[str, str], failure: str, folder: Path | None = None) -> None:
    """Run, showing its output; a failure is one line, and a full disk is named as such."""
    if subprocess.run(command, cwd=folder, env=dict(environ), check=False).returncode:
        if shutil.disk_usage(Path(__file__)).free < 50 * 2**20:
            failure = "the disk is full: free some GiB and run make again"
        raise InstallError(failure)


if __name__ == "__main__":
    sys.exit(main())
