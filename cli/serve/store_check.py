"""Whether the store can be used at all, found out before anything is started on it.

Owns the one line about a store that is not there or refuses. It must not decide what happens when a
store goes away later: a scheduler that runs waits for it.
"""

import asyncio
from contextlib import AsyncExitStack
from urllib.parse import unquote, urlsplit

from cli.serve.membership import refuse_other_schema
from cli.settings.error import SettingsError
from protocol.ids import InstanceId
from storage.client.place import Kind, StorePlace
from storage.embedded.server import StoreOptions, without_password
from storage.instances import InstanceRepository
from storage.layout import settle_cells
from storage.store import ScriptError, StorageUnavailable, open_store

_RETRY_SECONDS = 0.2
_CONNECTIONS_PER_PROCESS = 2
"""One for calls, one that waits for notes."""
_PROBE_MS = 1000
_PROBE_SCRIPT = "return redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[1])"
_PROBER = InstanceId("start")

_WAITED_FOR = ("LOADING", "BUSY ", "CLUSTERDOWN", "MASTERDOWN", "TRYAGAIN")
"""It will answer in a while; so may one that does not answer at all."""
_REFUSALS = (
    ("NOAUTH", "wants a password: write it into redis_url as redis://:PASSWORD@host:port"),
    ("WRONGPASS", "does not take the user or password in redis_url"),
    ("invalid password", "does not take the password in redis_url"),
    ("without any password configured", "has no password: leave it out of redis_url"),
    ("NOPERM", "does not let this user do what it must: allow it +@all on lingua:* (ACL SETUSER)"),
    ("can't run this command", "does not let this user do what it must: allow it +@all (ACL)"),
    (
        "ACL failure",
        "does not let this user do what it must: allow it +@all on lingua:* (ACL SETUSER)",
    ),
    ("OOM", "is full: raise its maxmemory, or remove what fills it"),
    ("READONLY", "is a replica that cannot be written: name its master in redis_url"),
    ("is no master", "is a replica that cannot be written: name its master in redis_url"),
    ("max number of clients", "takes no more connections: raise its maxclients"),
    ("DENIED", "takes connections of its own machine only: give it a password (protected-mode)"),
    ("MISCONF", "takes no writes because it cannot save its data: see its log"),
    ("NOREPLICAS", "takes no writes because too few replicas follow it (min-replicas-to-write)"),
    ("unknown command", "is no Redis or Valkey server of version 6 or later"),
    ("does not speak Redis", "is no Redis or Valkey server"),
    ("refuses us", "refuses this program"),
    ("ERR ", "refuses this program"),
)
"""What stands in the server's words, and what that means for whoever starts this program."""


async def check_store(url: str, options: StoreOptions, processes: int) -> None:
    """Return when the store answers, may be written and runs scripts.

    Args:
        url: Of the store.
        options: How long to wait, and how many cells are wanted.
        processes: How many schedulers will use it.

    Raises:
        SettingsError: It does not; one line that says what to do, without any secret.
    """
    loop = asyncio.get_running_loop()
    ends_at = loop.time() + options.start_wait_ms / 1000
    while True:
        try:
            await _try_out(url, options, processes)
        except StorageUnavailable as error:
            refusal = _refusal(str(error))
            if refusal is None and loop.time() < ends_at:
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            raise SettingsError(_line(url, str(error), refusal)) from error
        except ScriptError as error:
            raise SettingsError(_line(url, str(error), _refusal(str(error)))) from error
        except OSError as error:
            words = error.strerror or type(error).__name__
            raise SettingsError(f"redis_url: a file that its options name: {words}") from error
        else:
            return


async def _try_out(url: str, options: StoreOptions, processes: int) -> None:
    """Do once what every part of this program relies on."""
    async with AsyncExitStack() as stack:
        stores = [open_store(url) for _ in range(_connections(url, processes))]
        for store in stores:
            stack.push_async_callback(store.close)
        await asyncio.gather(*(store.read([("TIME",)]) for store in stores))
        store = stores[0]
        await settle_cells(store, options.cells)
        [agreed] = await store.run([InstanceRepository(store, _PROBER).agree_schema()])
        refuse_other_schema(agreed)
        probe = f"{store.prefix}start"
        await store.read([("EVAL", _PROBE_SCRIPT, 1, probe, _PROBE_MS), ("GET", probe)])


def _connections(url: str, processes: int) -> int:
    """Return how many connections to try: of a cluster or set one, it has several anyway."""
    is_one_server = StorePlace.from_url(url).kind is Kind.SERVER
    return _CONNECTIONS_PER_PROCESS * processes if is_one_server else 1


def _refusal(words: str) -> str | None:
    """Return what a refusal means; None where waiting may help."""
    if any(code in words for code in _WAITED_FOR):
        return None
    return next((meaning for sign, meaning in _REFUSALS if sign in words), None)


def _line(url: str, words: str, refusal: str | None) -> str:
    place = without_password(url)
    words = _without_secret(words, url)
    if refusal is not None:
        return f"the store at {place} {refusal} ({words})"
    return (
        f"no store answers at {place} ({words}): start one there, wait longer (start_wait_ms), "
        "or leave redis_url out for one of our own"
    )


def _without_secret(words: str, url: str) -> str:
    """Return the server's words without the password: it may repeat what it was sent."""
    password = urlsplit(url).netloc.rpartition("@")[0].partition(":")[2]
    for secret in {password, unquote(password)} - {""}:
        words = words.replace(secret, "…")
    return words
