"""Getting the translator onto a Debian machine, where that asks nobody for a password.

Runs apt-get as root, or through a sudo that is allowed without a password; touches nothing else.
"""

import asyncio
import os
import shutil
from asyncio.subprocess import DEVNULL
from collections.abc import Sequence

from peers.engines.apertium import INSTALL

APT_SECONDS = 300.0
PROBE_SECONDS = 10.0
_SUDO = ("sudo", "-n")
_APT = ("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q")
_PACKAGE = INSTALL.split()[-1]


async def can_install() -> bool:
    """Tell whether that is possible here without being asked for a password."""
    return await _root_prefix() is not None


async def install_translator() -> bool:
    """Install Apertium's English to Spanish; False if that is not possible without being asked."""
    prefix = await _root_prefix()
    if prefix is None:
        return False
    options = ("-y", "--no-install-recommends", "--no-upgrade")
    install = (*prefix, *_APT, "install", *options, _PACKAGE)
    if await _succeeds(install, APT_SECONDS):
        return True
    # An image without package lists knows no package until it has asked for them.
    if not await _succeeds((*prefix, *_APT, "update"), APT_SECONDS):
        return False
    return await _succeeds(install, APT_SECONDS)


async def _root_prefix() -> Sequence[str] | None:
    """Return what stands before a command to run it as root; None if it would ask."""
    if shutil.which("apt-get") is None:
        return None
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        return ()
    if shutil.which("sudo") and await _succeeds((*_SUDO, "true"), PROBE_SECONDS):
        return _SUDO
    return None


async def _succeeds(command: Sequence[str], seconds: float) -> bool:
    process = await asyncio.create_subprocess_exec(
        *command, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL
    )
    try:
        return await asyncio.wait_for(process.wait(), seconds) == 0
    except TimeoutError:
        process.terminate()
        await process.wait()
        return False
