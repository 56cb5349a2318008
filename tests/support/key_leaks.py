"""What a test leaves in the store, held against the schema in `storage.keys`."""

from storage.keys import Life, key_of
from tests.support.storage_world import World

RECORD_TTL_MS = 3_600_000


def leaks(world: World) -> list[str]:
    """Return a sentence for each key that is unknown, of the wrong type, or would never end."""
    prefix = world.store.prefix
    [names] = world.run(world.store.read([("KEYS", "*")]))
    commands = [(verb, name) for name in names for verb in ("TYPE", "PTTL")]
    replies = world.run(world.store.read(commands))
    found = []
    for number, name in enumerate(sorted(names)):
        kind, ttl_ms = replies[2 * names.index(name)], replies[2 * names.index(name) + 1]
        if not name.startswith(prefix):
            found.append(f"{name} has another prefix")
        elif complaint := _complaint(world, name.removeprefix(prefix), kind, ttl_ms):
            found.append(f"{name} {complaint} (key {number})")
    return found


def _complaint(world: World, name: str, kind: str, ttl_ms: int) -> str | None:
    key = key_of(name)
    if key is None:
        return "is not in the schema"
    if key.kind != kind:
        return f"is a {kind}, not a {key.kind}"
    if ttl_ms > RECORD_TTL_MS:
        return f"lives for {ttl_ms} ms"
    if ttl_ms < 0 and not _may_stay(world, name, key.life):
        return "would never expire"
    return None


def _may_stay(world: World, name: str, life: Life) -> bool:
    parts = name.split(":")
    if life is Life.NODE:
        return world.command("HGET", f"node:{parts[1]}", "state") in ("online", "draining")
    if life is Life.INSTANCE:
        return world.command("ZSCORE", "insts", parts[1]) is not None
    return life is Life.FOREVER
