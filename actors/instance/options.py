"""What an operator may set about this instance. Must not: decide anything."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Le


@dataclass(frozen=True, slots=True)
class InstanceOptions:
    """Name and lease of one scheduler process among several."""

    instance_id: str | None = None
    """Name of this instance, unique in the cluster; absent: a random one at each start."""
    instance_lease_ms: Annotated[int, Ge(100)] = 3_000
    """Milliseconds after which an instance that does not renew its lease counts as dead."""
    workers: Annotated[int, Ge(1), Le(64)] = 1
    """Processes behind the one port, each an instance of its own; more than one uses more cores."""
