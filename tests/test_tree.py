"""The README's tree is the real one, and what is committed names no machine."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from backend.settings import PREFIX, Settings

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def tree() -> list[str]:
    """Paths in the README's tree: a code block whose first line is ``simclr-lab/``; two blanks or more end a name."""
    block = re.search(r"```\w*\nsimclr-lab/\n(.*?)```", README, re.DOTALL)
    assert block, "README.md has no tree that begins with 'simclr-lab/'"
    paths: list[str] = []
    parents: list[tuple[int, str]] = []
    for line in block[1].splitlines():
        found = re.match(r"([ │├└─]*)(\S+)", line)
        if not found or not found[2].strip():
            continue
        depth, name = len(found[1]), found[2]
        while parents and parents[-1][0] >= depth:
            parents.pop()
        path = "".join(parent for _, parent in parents) + name
        paths.append(path)
        if name.endswith("/"):
            parents.append((depth, name))
    return paths


def committed() -> list[str]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return listed.stdout.splitlines()


def test_everything_in_the_tree_exists() -> None:
    missing = [path for path in tree() if not (ROOT / path).exists()]
    assert missing == []


def test_every_package_and_top_level_file_is_in_the_tree() -> None:
    files = committed()
    shown = {path.rstrip("/") for path in tree()}
    top = {path.partition("/")[0] for path in files} - {".gitignore", ".dockerignore", "README.md"}
    packages = {
        str(Path(path).parent)
        for path in files
        if path.endswith("/__init__.py") and path.startswith(("simclr/", "backend/", "worker/"))
    }
    assert sorted((top | packages) - shown) == []


def test_the_lock_of_python_names_no_index() -> None:
    assert "://" not in (ROOT / "requirements.lock").read_text()


def test_the_lock_of_the_pages_names_no_registry() -> None:
    packages = json.loads((ROOT / "frontend/package-lock.json").read_text())["packages"]
    for name, package in packages.items():
        package.pop("funding", None)  # where its authors take money, not where it comes from
        assert "://" not in json.dumps(package), name


def test_no_lock_with_host_names_is_committed() -> None:
    assert not {"uv.lock", "pylock.toml"} & {Path(path).name for path in committed()}


def test_every_setting_is_in_the_readme() -> None:
    undocumented = [name for name in Settings.model_fields if f"`{PREFIX}{name.upper()}`" not in README]
    assert undocumented == []


def test_every_module_of_the_science_and_the_worker_is_in_the_tree() -> None:
    modules = [p for p in committed() if re.fullmatch(r"(simclr|worker)/(.*/)?[a-z]\w*\.py", p)]
    assert sorted(set(modules) - set(tree())) == []
