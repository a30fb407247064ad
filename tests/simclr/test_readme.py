"""The README's example is a program: it is run as it stands there."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
README = Path(__file__).resolve().parents[2] / "README.md"


def test_the_librarys_example_trains_probes_and_searches_in_25_lines(tmp_path: Path) -> None:
    (program,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert len([line for line in program.splitlines() if line]) <= 25
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=200
    )
    assert done.returncode == 0, done.stderr
    loss, chance = map(float, re.findall(r"loss ([\d.]+), chance ([\d.]+)", done.stdout)[0])
    assert loss < chance - 0.5
    accuracies = dict(re.findall(r"(val|test): ([\d.]+) \(", done.stdout))
    assert float(accuracies["test"]) > 0.5  # chance is 0.1
    resembling = re.findall(r"a \d resembles \[(.*)\]", done.stdout)[0].split(", ")
    assert len(resembling) == 5
