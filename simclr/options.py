"""Command-line options made from the configs' fields, so that a choice is described in one place only."""

import functools
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

import typer
from pydantic import BaseModel, ValidationError

Config = TypeVar("Config", bound=BaseModel)
Command = Callable[..., None]


@dataclass(frozen=True)
class Choice:
    """One field of a config, or of a config inside it: where it is, its type, and what to say of it."""

    path: tuple[str, ...]
    annotation: Any
    help: str

    @property
    def parameter(self) -> str:
        """The name of the command's parameter; typer makes the option of it, such as --augment-flip-p."""
        return "_".join(self.path)

    @property
    def option(self) -> str:
        return option_name(self.path)

    @property
    def declaration(self) -> str:
        """The option, and for a switch the one that turns it off: --follow-knn/--no-follow-knn."""
        return f"{self.option}/--no-{self.option.removeprefix('--')}" if self.annotation is bool else self.option


def option_name(path: tuple[str, ...]) -> str:
    """The option of a field: ("augment", "flip_p") is --augment-flip-p."""
    return "--" + "-".join(path).replace("_", "-")


def choices_of(model: type[BaseModel], default: BaseModel | None = None) -> Iterator[Choice]:
    """Every choice of ``model``, those of configs inside it too; fields with a single possible value are none."""
    default = default or model()
    described = model.model_json_schema(by_alias=False)["properties"]
    for name, field in model.model_fields.items():
        value = getattr(default, name)
        if isinstance(value, BaseModel):
            for inner in choices_of(type(value), value):
                yield Choice((name, *inner.path), inner.annotation, inner.help)
        elif get_origin(field.annotation) is not Literal or len(get_args(field.annotation)) > 1:
            yield Choice((name,), field.annotation, _help(described[name], value))


def configured(*models: type[BaseModel]) -> Callable[[Command], Command]:
    """Give a command an option for every choice of ``models``.

    The command takes them as ``given``: a dict, nested like the configs, of the options that were given, and no others.
    An option that several models share says of which it is and what each has as default.
    """
    choices = _merged(models)

    def decorate(command: Command) -> Command:
        own = [p for p in inspect.signature(command, eval_str=True).parameters.values() if p.name != "given"]

        @functools.wraps(command)
        def configured_command(**arguments: Any) -> None:
            given: dict[str, Any] = {}
            for choice in choices:
                value = arguments.pop(choice.parameter)
                if value is not None:
                    _put(given, choice.path, value)
            command(**arguments, given=given)

        options = [
            inspect.Parameter(
                choice.parameter,
                inspect.Parameter.KEYWORD_ONLY,
                default=None,
                annotation=Annotated[choice.annotation | None, typer.Option(choice.declaration, help=choice.help)],
            )
            for choice in choices
        ]
        parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own] + options
        configured_command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        configured_command.__annotations__ = {p.name: p.annotation for p in parameters}
        return configured_command

    return decorate


def build(model: type[Config], given: dict[str, Any], base: Config | None = None) -> Config:
    """``model`` with the ``given`` options over ``base``, or over its defaults.

    Raises:
        ValueError: an option is out of range or not one of ``model``; the message names the option, the value and what is
            wrong.
    """
    try:
        return model.model_validate(_over((base or model()).model_dump(), given))
    except ValidationError as error:
        raise ValueError("; ".join(_sentence(problem) for problem in error.errors())) from error


def _sentence(problem: Any) -> str:
    path = tuple(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        return f"{option_name(path)} does not belong here"
    message = problem["msg"].removeprefix("Value error, ")
    # A rule between fields is reported at their config and names them itself.
    is_field = bool(path) and not isinstance(problem["input"], dict)
    message = message[0].lower() + message[1:]
    return f"{option_name(path)} is {problem['input']}: {message}" if is_field else message


def _merged(models: tuple[type[BaseModel], ...]) -> list[Choice]:
    by_parameter: dict[str, list[tuple[type[BaseModel], Choice]]] = {}
    for model in models:
        for choice in choices_of(model):
            by_parameter.setdefault(choice.parameter, []).append((model, choice))
    merged = []
    for found in by_parameter.values():
        first = found[0][1]
        said = first.help
        if len(models) > 1:
            said = " ".join(f"{_short(model)}: {choice.help}" for model, choice in found)
        merged.append(Choice(first.path, first.annotation, said))
    return merged


def _short(model: type[BaseModel]) -> str:
    """What a person calls the config: the one value of its strategy, or its name."""
    strategy = model.model_fields.get("strategy")
    return str(strategy.default) if strategy is not None else model.__name__.removesuffix("Config").lower()


def _help(described: dict[str, Any], default: object) -> str:
    unit = f" {described['unit']}" if described.get("unit") else ""
    # What may be left out is described as one of a value and null.
    value = described.get("anyOf", [described])[0]
    low = value.get("minimum", value.get("exclusiveMinimum"))
    limits = ""
    if low is not None:
        above = "above " if "exclusiveMinimum" in value else ""
        limits = f", {above}{low} to {value['maximum']}"
    return f"{described.get('description', '')} (default {default}{unit}{limits})".lstrip()


def _put(nested: dict[str, Any], path: tuple[str, ...], value: object) -> None:
    for name in path[:-1]:
        nested = nested.setdefault(name, {})
    nested[path[-1]] = value


def _over(defaults: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """``defaults`` with the values of ``given``, at every depth."""
    merged = dict(defaults)
    for name, value in given.items():
        inner = merged.get(name)
        merged[name] = _over(inner, value) if isinstance(inner, dict) and isinstance(value, dict) else value
    return merged
