"""Every script of the store, by its path under `lua/`. What lies in `lib` is included by others."""

from storage.scripts import LUA_DIRECTORY

SCRIPT_PATHS = sorted(
    path.relative_to(LUA_DIRECTORY).with_suffix("").as_posix()
    for path in LUA_DIRECTORY.glob("*/*.lua")
    if path.parent.name != "lib"
)
