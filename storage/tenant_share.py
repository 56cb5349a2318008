"""What a tenant may have: its weight where several wait, sessions, and slots in use. Pure."""

import re
from dataclasses import dataclass, replace

_NAME = re.compile(r"[^\s:;,=]{1,64}")
_VALUE = re.compile(r"[0-9]{1,9}")
_MOST_WEIGHT = 1000


@dataclass(frozen=True, slots=True)
class TenantShare:
    """One tenant's share; a tenant that is not named has the default."""

    weight: int = 1
    """Where several tenants wait, each gets nodes in proportion to this; 1 to 1000."""
    sessions: int = 0
    """The most sessions with a socket that it may have in one process; 0: as `tenant_max_sessions`
    says."""
    slots: int = 0
    """The most slots that it may use at once; 0: as many as there are. In a Redis Cluster each cell
    counts its own."""


EQUAL_SHARE = TenantShare()


def shares_of(text: str) -> dict[str, TenantShare]:
    """Return the shares by tenant of `name:weight=2,sessions=100,slots=20;name:…`.

    Raises:
        ValueError: It is no such list, or names a tenant or a value twice.
    """
    shares: dict[str, TenantShare] = {}
    for entry in filter(None, map(str.strip, text.split(";"))):
        name, colon, values = (part.strip() for part in entry.partition(":"))
        if not colon or not _NAME.fullmatch(name) or name in shares:
            raise ValueError(f"{entry!r} is no share of a further tenant")
        shares[name] = _share_of(values)
    return shares


def _share_of(text: str) -> TenantShare:
    values: dict[str, int] = {}
    for part in text.split(","):
        field, _, number = (word.strip() for word in part.partition("="))
        if field not in TenantShare.__slots__ or field in values or not _VALUE.fullmatch(number):
            raise ValueError(f"{part.strip()!r} is no weight, sessions or slots with a number")
        values[field] = int(number)
    share = replace(EQUAL_SHARE, **values)
    if not 1 <= share.weight <= _MOST_WEIGHT:
        raise ValueError(f"a weight is a number from 1 to {_MOST_WEIGHT}")
    return share
