"""What settings there are: read from the packages' options dataclasses, never written down twice.

Owns names, types, ranges, defaults and help texts as one table. It must not read any value.
"""

import ast
import inspect
import textwrap
import types
from dataclasses import MISSING, dataclass, fields
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from annotated_types import Ge, Gt, Le
from pydantic import BeforeValidator

ENVIRONMENT_PREFIX = "LINGUA_"
_SECRET_ENDINGS = ("_secret", "_token", "_tokens", "redis_url")
_PLACEHOLDERS = {
    "_ms": "MS",
    "_seconds": "SECONDS",
    "_bytes": "BYTES",
    "_url": "URL",
    "_dir": "DIR",
}


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: a field of one package's options."""

    name: str
    package: str
    """Field of `Settings` that holds the package's options."""
    kind: Any
    """Plain type: int, float, bool, str or a `Literal`."""
    optional: bool
    """Whether it may be absent (None)."""
    bounds: tuple[Ge | Gt | Le, ...]
    """Range of a number; never below zero."""
    default: object
    help: str

    @property
    def flag(self) -> str:
        """Name on the command line."""
        return f"--{self.name.replace('_', '-')}"

    @property
    def variable(self) -> str:
        """Name in the environment."""
        return ENVIRONMENT_PREFIX + self.name.upper()

    @property
    def secret(self) -> bool:
        """Whether its value must never be shown."""
        return self.name.endswith(_SECRET_ENDINGS)

    @property
    def annotation(self) -> Any:
        """Type with its range, as pydantic reads it."""
        kind = Annotated[self.kind, *self.bounds] if self.bounds else self.kind
        if get_origin(self.kind) is Literal:
            kind = Annotated[self.kind, BeforeValidator(self._in_its_case)]
        return kind | None if self.optional else kind

    def _in_its_case(self, given: object) -> object:
        """Return the word as it is spelled here: nobody should fail over `info` for `INFO`."""
        words = {word.lower(): word for word in get_args(self.kind)}
        return words.get(given.lower(), given) if isinstance(given, str) else given

    @property
    def allowed(self) -> str:
        """What a value must be, in words."""
        if get_origin(self.kind) is Literal:
            return "one of " + ", ".join(get_args(self.kind))
        if self.kind is bool:
            return "true or false"
        if self.kind is str:
            return "a text"
        words = "a whole number" if self.kind is int else "a number"
        return f"{words} {' and '.join(self._in_words(bound) for bound in self.bounds)}"

    def _in_words(self, bound: Ge | Gt | Le) -> str:
        match bound:
            case Ge(ge=least):
                return f"at least {least}"
            case Gt(gt=int(below)) if self.kind is int:
                return f"at least {below + 1}"
            case Gt(gt=below):
                return f"more than {below}"
            case Le(le=most):
                return f"at most {most}"

    @property
    def placeholder(self) -> str:
        """Stands for the value in the help text."""
        if get_origin(self.kind) is Literal:
            return "|".join(get_args(self.kind))
        for ending, placeholder in _PLACEHOLDERS.items():
            if self.name.endswith(ending):
                return placeholder
        return "TEXT" if self.kind is str else "N"


def catalogue(packages: type) -> dict[str, Setting]:
    """Return the settings of a dataclass whose fields are the packages' options, by name."""
    found: dict[str, Setting] = {}
    for package, options in get_type_hints(packages).items():
        for setting in _settings_of(package, options):
            if setting.name in found:
                message = (
                    f"{setting.name} is a setting of {found[setting.name].package} and of {package}"
                )
                raise TypeError(message)
            found[setting.name] = setting
    return found


def _settings_of(package: str, options: type) -> list[Setting]:
    hints = get_type_hints(options, include_extras=True)
    texts = _field_docstrings(options)
    settings = []
    for field in fields(options):
        if field.default is MISSING:
            message = f"{options.__name__}.{field.name} needs a plain default"
            raise TypeError(message)
        kind, optional, bounds = _taken_apart(hints[field.name])
        if kind in (int, float) and not any(isinstance(bound, Ge | Gt) for bound in bounds):
            bounds = (Ge(0), *bounds)
        text = texts.get(field.name, "")
        settings.append(Setting(field.name, package, kind, optional, bounds, field.default, text))
    return settings


def _taken_apart(hint: Any) -> tuple[Any, bool, tuple[Ge | Gt | Le, ...]]:
    """Return the plain type, whether None is allowed, and the bounds, however they are nested."""
    if get_origin(hint) is Annotated:
        inner, *marks = get_args(hint)
        kind, optional, bounds = _taken_apart(inner)
        return kind, optional, bounds + tuple(m for m in marks if isinstance(m, Ge | Gt | Le))
    if get_origin(hint) in (Union, types.UnionType):
        (inner,) = (part for part in get_args(hint) if part is not types.NoneType)
        kind, _, bounds = _taken_apart(inner)
        return kind, True, bounds
    return hint, False, ()


def _field_docstrings(options: type) -> dict[str, str]:
    """Return the text under each field; Python itself does not keep it."""
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(options))).body
    assert isinstance(definition, ast.ClassDef)  # noqa: S101 - the source of a class
    texts = {}
    for field, below in zip(definition.body, definition.body[1:], strict=False):
        match field, below:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                texts[name] = " ".join(text.split())
            case _:
                pass
    return texts
