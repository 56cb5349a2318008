"""The catalogue: what is read from options dataclasses, and what it refuses."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

import pytest
from annotated_types import Ge, Gt, Le

from cli.settings.catalogue import Setting, catalogue
from cli.settings.settings import known_settings


@dataclass(frozen=True, slots=True)
class Oven:
    """Heat."""

    heat_ms: Annotated[int, Gt(0), Le(9)] = 5
    """How long,
    in two lines."""
    door: Literal["open", "shut"] = "shut"
    colour: str | None = None
    maximum: Annotated[float, Ge(1)] | None = None
    light: bool = False


@dataclass(frozen=True, slots=True)
class Kitchen:
    oven: Oven = field(default_factory=Oven)


@pytest.fixture
def settings() -> dict[str, Setting]:
    return catalogue(Kitchen)


def test_names_come_from_fields(settings: dict[str, Setting]) -> None:
    heat = settings["heat_ms"]
    assert (heat.package, heat.flag, heat.variable) == ("oven", "--heat-ms", "LINGUA_HEAT_MS")
    assert heat.help == "How long, in two lines."
    assert heat.default == 5


@pytest.mark.parametrize(
    ("name", "allowed", "placeholder", "optional"),
    [
        ("heat_ms", "a whole number at least 1 and at most 9", "MS", False),
        ("door", "one of open, shut", "open|shut", False),
        ("colour", "a text", "TEXT", True),
        ("maximum", "a number at least 1", "N", True),
        ("light", "true or false", "N", False),
    ],
)
def test_what_is_allowed_is_said_in_words(
    settings: dict[str, Setting], name: str, allowed: str, placeholder: str, *, optional: bool
) -> None:
    setting = settings[name]
    assert setting.allowed == allowed
    assert setting.placeholder == placeholder
    assert setting.optional is optional


def test_two_rooms_cannot_have_a_setting_of_one_name() -> None:
    @dataclass
    class House:
        kitchen: Oven
        garden: Oven

    hints = {"kitchen": Oven, "garden": Oven}
    House.__annotations__.update(hints)
    with pytest.raises(TypeError, match="heat_ms is a setting of kitchen and of garden"):
        catalogue(House)


def test_a_setting_without_a_default_is_a_bug() -> None:
    @dataclass
    class Room:
        size: int

    @dataclass
    class House:
        room: Room

    House.__annotations__["room"] = Room
    with pytest.raises(TypeError, match=r"Room\.size needs a plain default"):
        catalogue(House)


def test_every_setting_of_the_scheduler_says_what_it_is() -> None:
    silent = [setting.name for setting in known_settings().values() if not setting.help]
    assert not silent


def test_every_number_has_a_lower_bound() -> None:
    for setting in known_settings().values():
        if setting.kind in (int, float):
            assert any(isinstance(bound, Ge | Gt) for bound in setting.bounds), setting.name
