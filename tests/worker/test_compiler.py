"""Where nothing is compiled, the compiler is not loaded; whoever wants it gets it, once, whichever way they come to it."""

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from worker.compiler import leave_compiler_out

NAME = "a_compiler"


@pytest.fixture
def loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Which modules of a package as intertwined as torch's compiler have been loaded; it has a stand-in."""
    (tmp_path / NAME).mkdir()
    note = "import sys; sys.loads_of_a_test.append(__name__)\n"
    (tmp_path / NAME / "__init__.py").write_text(f"{note}from . import registry\nfrom .registry import compile\n")
    (tmp_path / NAME / "registry.py").write_text(
        f"{note}import {NAME}\nknown = []\ndef compile(f): return (f, known)\n"
    )
    (tmp_path / NAME / "apart.py").write_text(f"{note}from {NAME} import registry\n")
    loaded: list[str] = []
    monkeypatch.setattr(sys, "loads_of_a_test", loaded, raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    leave_compiler_out(NAME)
    yield loaded
    for name in [name for name in sys.modules if name.partition(".")[0] == NAME]:
        del sys.modules[name]


def test_what_is_asked_at_every_step_loads_nothing(loads: list[str]) -> None:
    stands_in = importlib.import_module(NAME)
    assert stands_in.disable(len, True, wrapping=False) is len
    stands_in.graph_break()
    assert not isinstance(len, stands_in.OptimizedModule)
    assert not hasattr(stands_in, "__file__"), "what inspect asks of every module"
    assert loads == []


def by_name() -> ModuleType:
    importlib.import_module(NAME).compile  # noqa: B018
    return importlib.import_module(NAME)


def by_a_part_that_is_loaded_with_it() -> ModuleType:
    assert importlib.import_module(f"{NAME}.registry").known == []
    return importlib.import_module(NAME)


def by_a_part_that_is_not() -> ModuleType:
    importlib.import_module(f"{NAME}.apart")
    return importlib.import_module(NAME)


@pytest.mark.parametrize("come", [by_name, by_a_part_that_is_loaded_with_it, by_a_part_that_is_not])
def test_whoever_wants_it_gets_it_once(loads: list[str], come: Callable[[], ModuleType]) -> None:
    real = come()
    assert real is sys.modules[NAME]
    assert real.registry is importlib.import_module(f"{NAME}.registry") is sys.modules[f"{NAME}.registry"]
    assert real.compile(len) == (len, real.registry.known)
    assert real.registry.compile is real.compile
    assert real.registry.__spec__.origin == real.registry.__file__
    assert len(loads) == len(set(loads))
    assert set(loads) >= {NAME, f"{NAME}.registry"}


def test_one_that_is_loaded_already_stays(loads: list[str]) -> None:
    real = by_name()
    leave_compiler_out(NAME)
    assert sys.modules[NAME] is real
