"""Values that never change, for what is made for every chunk or every utterance.

`@value` is `@dataclass(frozen=True, slots=True)` to whoever reads, and to the type checker, which
refuses every write to a field. What it leaves out is the same refusal once more while the program
runs: there each field of a frozen dataclass is written through `object.__setattr__`, and making a
job's specification takes 3.8 µs instead of 0.6.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def value(cls: type[T]) -> type[T]:
    """Make a class of fields a value: compared and hashed by its fields, without a `__dict__`."""
    make: Callable[[type[T]], type[T]] = dataclass(slots=True, unsafe_hash=True)
    return make(cls)
