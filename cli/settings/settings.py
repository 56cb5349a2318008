"""All settings of the scheduler, from flags, environment, TOML file and defaults, in this order.

Owns reading and judging them. It must not decide what a setting means: the packages do. A setting
that is wrong or unknown is a `SettingsError` with one line for the operator, without any secret.
"""

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from actors.admission import AdmissionOptions
from actors.dispatcher.options import DispatchOptions
from actors.instance.options import InstanceOptions
from actors.node.options import NodeOptions
from actors.room.options import RoomOptions
from actors.session.options import (
    SegmenterOptions,
    SequencerOptions,
    SessionOptions,
    StreamingOptions,
)
from cli.logs import LogOptions
from cli.settings import access_rules
from cli.settings.catalogue import ENVIRONMENT_PREFIX, Setting, catalogue
from cli.settings.error import SettingsError, nearest
from cli.settings.injected import is_injected
from gateway.access.options import AccessOptions
from gateway.link.options import PeerOptions
from gateway.media.options import MediaOptions
from gateway.options import GatewayOptions
from gateway.tracing.options import TraceOptions
from storage.cells import MAX_CELLS
from storage.client.place import StorePlace
from storage.embedded.server import StoreOptions
from storage.tenant_share import shares_of

CONFIG_VARIABLE = f"{ENVIRONMENT_PREFIX}CONFIG"
_LONGEST_VALUE_SHOWN = 60
_STORE_URL = (
    "a redis://, rediss:// or unix:// URL, redis+cluster://host:port,… or "
    "redis+sentinel://host:port,…/master; in a password write %40 for @, %2F for /"
)
_INSTANCE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_ANY_ADDRESS = ("0.0.0.0", "::", "")  # noqa: S104 - they are what is refused


@dataclass(frozen=True, slots=True)
class Settings:
    """The options of every package. A field here is all it takes to make them settable."""

    gateway: GatewayOptions = field(default_factory=GatewayOptions)
    store: StoreOptions = field(default_factory=StoreOptions)
    instance: InstanceOptions = field(default_factory=InstanceOptions)
    peer: PeerOptions = field(default_factory=PeerOptions)
    session: SessionOptions = field(default_factory=SessionOptions)
    segmenter: SegmenterOptions = field(default_factory=SegmenterOptions)
    streaming: StreamingOptions = field(default_factory=StreamingOptions)
    sequencer: SequencerOptions = field(default_factory=SequencerOptions)
    dispatch: DispatchOptions = field(default_factory=DispatchOptions)
    node: NodeOptions = field(default_factory=NodeOptions)
    admission: AdmissionOptions = field(default_factory=AdmissionOptions)
    media: MediaOptions = field(default_factory=MediaOptions)
    room: RoomOptions = field(default_factory=RoomOptions)
    access: AccessOptions = field(default_factory=AccessOptions)
    logs: LogOptions = field(default_factory=LogOptions)
    traces: TraceOptions = field(default_factory=TraceOptions)

    @classmethod
    def load(cls, flags: Mapping[str, str], config: str | None = None) -> Self:
        """Return what flags, environment and TOML file say, judged.

        Args:
            flags: Given flags as setting name → text.
            config: Path of the TOML file; None looks at `LINGUA_CONFIG`.

        Raises:
            SettingsError: Something in any of them is wrong or unknown.
        """
        sources = _Sources.read(flags, config)
        try:
            values = _model().model_validate(sources.merged()).model_dump()
        except ValidationError as error:
            name = str(error.errors()[0]["loc"][0])
            raise SettingsError(sources.complaint(name)) from None
        hints = {package.name: type(getattr(cls(), package.name)) for package in fields(cls)}
        packages = {
            package: options(**{part.name: values[part.name] for part in fields(options)})
            for package, options in hints.items()
        }
        settings = cls(**packages)
        for name, must_be in _contradictions(settings):
            raise SettingsError(sources.complaint(name, must_be))
        return settings


@cache
def known_settings() -> dict[str, Setting]:
    """Return every setting by name."""
    return catalogue(Settings)


@dataclass(frozen=True, slots=True)
class _Sources:
    """What was given, before it is judged: setting name → text. Empty text counts as not given."""

    flags: dict[str, str]
    environment: dict[str, str]
    file: dict[str, str]
    file_path: str | None

    @classmethod
    def read(cls, flags: Mapping[str, str], config: str | None) -> Self:
        path = config or os.environ.get(CONFIG_VARIABLE) or None
        return cls(
            {name: text for name, text in flags.items() if text},
            _read_environment(),
            _read_file(path) if path else {},
            path,
        )

    def merged(self) -> dict[str, str]:
        """Return what counts: a flag before the environment, and that before the file."""
        return self.file | self.environment | self.flags

    def complaint(self, name: str, must_be: str | None = None) -> str:
        """Return the one line about a wrong value: where it came from, what it is, what may be."""
        setting = known_settings()[name]
        if name in self.flags:
            origin, value = setting.flag, self.flags[name]
        elif name in self.environment:
            origin, value = setting.variable, self.environment[name]
        elif name in self.file:
            origin, value = f"{name} in {self.file_path}", self.file[name]
        else:
            origin, value = setting.flag, str(setting.default)
        if setting.secret:
            return f"{origin}: this value (not shown) must be {must_be or setting.allowed}"
        if len(value) > _LONGEST_VALUE_SHOWN:
            value = value[:_LONGEST_VALUE_SHOWN] + "…"
        return f"{origin}: {value!r} must be {must_be or setting.allowed}"


def _read_environment() -> dict[str, str]:
    known = {setting.variable: name for name, setting in known_settings().items()}
    found = {}
    for variable, text in os.environ.items():
        # Whoever writes lingua_port means it, so the case of a variable does not matter.
        wanted = variable.upper()
        if not wanted.startswith(ENVIRONMENT_PREFIX) or wanted == CONFIG_VARIABLE:
            continue
        if is_injected(wanted, text, is_setting=wanted in known):
            continue
        if wanted not in known:
            hint = nearest(wanted, known, ENVIRONMENT_PREFIX)
            raise SettingsError(f"unknown environment variable {variable}{hint}")
        if text:
            found[known[wanted]] = text
    return found


def _read_file(path: str) -> dict[str, str]:
    try:
        content = tomllib.loads(Path(path).expanduser().read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"the file {path!r} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"the file {path!r} is not TOML: {error}") from None
    found = {}
    for key, value in content.items():
        if key not in known_settings():
            hint = nearest(key, known_settings())
            raise SettingsError(f"unknown key {key!r} in {path}{hint}")
        if text := _as_text(value):
            found[key] = text
    return found


def _as_text(value: object) -> str:
    """Return a TOML value as it would stand in the environment, so that all are judged alike."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return ",".join(value)
    return str(value)


@cache
def _model() -> type[BaseModel]:
    """Return the pydantic model of all settings. It judges what `_Sources` has read."""
    rules = ConfigDict(extra="forbid", allow_inf_nan=False, str_strip_whitespace=True)
    parts: dict[str, Any] = {
        setting.name: (setting.annotation, setting.default) for setting in known_settings().values()
    }
    model: type[BaseModel] = create_model("SchedulerSettings", __config__=rules, **parts)
    return model


def _contradictions(settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield the settings whose value no type can judge, with what they must be."""
    store, name = settings.store, settings.instance.instance_id
    if store.redis_url is not None:
        if not _is_store_url(store.redis_url):
            yield "redis_url", _STORE_URL
        if store.data_dir is not None:
            yield "data_dir", "absent when redis_url is given: that server keeps its own data"
    if store.cells is not None and not 1 <= store.cells <= MAX_CELLS:
        yield "cells", f"a number from 1 to {MAX_CELLS}"
    if name is not None and not _INSTANCE_ID.fullmatch(name):
        yield "instance_id", "1 to 64 letters, digits, dots, dashes or underscores"
    if not _is_shares(settings.admission.tenants):
        yield "tenants", "a list such as name:weight=2,sessions=100,slots=20;name:weight=1"
    peer = settings.peer
    if peer.peer_url is not None and not _is_url(peer.peer_url, ("ws", "wss")):
        yield "peer_url", "a ws:// or wss:// URL"
    if peer.peer_url is None and peer.peer_host in _ANY_ADDRESS:
        yield "peer_host", "an address that others can call, or peer_url must name one"
    if settings.instance.workers > 1 and peer.peer_port:
        yield "peer_port", "0 with several workers: each listens on a port of its own"
    if settings.instance.workers > 1 and peer.peer_url:
        yield "peer_url", "absent with several workers: each is reached at a port of its own"
    yield from access_rules.contradictions(settings.access, settings.gateway)


def _is_store_url(url: str) -> bool:
    """Return whether it says a place; one with an @ behind that has an unescaped password in it."""
    try:
        parts = urlsplit(url)
        StorePlace.from_url(url)
    except ValueError:
        return False
    return parts.scheme == "unix" or "@" not in parts.path + parts.query + parts.fragment


def _is_shares(text: str) -> bool:
    try:
        shares_of(text)
    except ValueError:
        return False
    return True


def _is_url(url: str, schemes: tuple[str, ...]) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, or brackets that do not close
        return False
