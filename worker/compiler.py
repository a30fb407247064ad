"""torch's compiler as a runner has it: loaded by the job that compiles something, if one does.

An optimiser asks it at every step to stay away, and Lightning for every model whether it is compiled. To load it for that, with
sympy and Triton, is a third of the work until a worker is ready.
"""

import importlib
import sys
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, TypeVar

COMPILER = "torch._dynamo"

Function = TypeVar("Function", bound=Callable[..., Any])


class NotCompiling(ModuleType):
    """In the compiler's place: says what is so while nothing is compiled, and makes way for it at any other question."""

    OptimizedModule = type("OptimizedModule", (), {})

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__path__: list[str] = []  # so that importlib asks the finder for what is below

    @staticmethod
    def disable(function: Function, *_: object, **__: object) -> Function:
        return function

    @staticmethod
    def graph_break(*_: object, **__: object) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # what inspect asks of every module
            raise AttributeError(name)
        return getattr(self.make_way(), name)

    def make_way(self) -> ModuleType:
        """The real one, from now on also for everybody who imports it."""
        if sys.modules[self.__name__] is self:
            del sys.modules[self.__name__]
        return importlib.import_module(self.__name__)


class Below(MetaPathFinder, Loader):
    """Finds the modules of a package that has a stand-in: those of the real one, which are loaded with it."""

    def __init__(self, stand_in: NotCompiling) -> None:
        self._stand_in = stand_in
        self._real: ModuleSpec | None = None

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:  # noqa: ARG002
        if path is not self._stand_in.__path__:
            return None
        self._stand_in.make_way()
        module = importlib.import_module(name)
        self._real = module.__spec__
        # Under its own one importlib would load it a second time.
        module.__spec__ = ModuleSpec(name, self)
        return module.__spec__

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return sys.modules[spec.name]

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._real


def leave_compiler_out(name: str = COMPILER) -> None:
    """Load the package ``name`` only when more is asked of it than ``NotCompiling`` knows."""
    if name not in sys.modules:
        stand_in = NotCompiling(name)
        sys.meta_path.insert(0, Below(stand_in))
        sys.modules[name] = stand_in
