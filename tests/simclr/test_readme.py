"""The README's example is a program: it is run as it stands there."""

import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
README = Path(__file__).resolve().parents[2] / "README.md"


def test_the_librarys_example_trains_probes_and_searches_in_25_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (program,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert len([line for line in program.splitlines() if line]) <= 25
    monkeypatch.chdir(tmp_path)
    exec(program, {})  # noqa: S102
    said = capsys.readouterr().out
    loss, chance = map(float, re.findall(r"loss ([\d.]+), chance ([\d.]+)", said)[0])
    assert loss < chance - 0.5
    accuracies = dict(re.findall(r"(val|test): ([\d.]+) \(", said))
    assert float(accuracies["test"]) > 0.5  # chance is 0.1
    resembling = re.findall(r"a \d resembles \[(.*)\]", said)[0].split(", ")
    assert len(resembling) == 5
