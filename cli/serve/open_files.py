"""How many files this process may have open: every socket is one.

Owns the limit of the process. It must not know what the sockets are for.
"""

import asyncio
import errno
import resource
from typing import Any

from loguru import logger

from cli.settings.error import SettingsError

_OTHERS = 256
"""Files beside the sockets of sessions: nodes, other instances, the store, the logs."""

_QUIET_SECONDS = 1.0


def allow_open_files(max_sessions: int) -> None:
    """Raise the limit as far as the system lets us, for the processes that we start, too.

    Raises:
        SettingsError: That is not enough for the sessions that are to be let in.
    """
    needed = max_sessions + _OTHERS
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most != resource.RLIM_INFINITY and most < needed:
        raise SettingsError(
            f"max_sessions: {max_sessions} sessions need {needed} open files and this process may "
            f"have {most}; raise that (ulimit -n, LimitNOFILE) or set max_sessions lower"
        )
    wanted = needed if most == resource.RLIM_INFINITY else most
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


def report_full(loop: asyncio.AbstractEventLoop) -> None:
    """Say in one line, at most once a second, that sockets wait because no file is left.

    asyncio reports each attempt to accept with a traceback; uvloop says nothing and tries again.
    """
    told_at = -_QUIET_SECONDS

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        nonlocal told_at
        error = context.get("exception")
        if not isinstance(error, OSError) or error.errno not in (errno.EMFILE, errno.ENFILE):
            loop.default_exception_handler(context)
        elif loop.time() - told_at >= _QUIET_SECONDS:
            told_at = loop.time()
            logger.error("no more files may be open; new sockets wait")

    loop.set_exception_handler(handle)
