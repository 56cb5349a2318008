"""`lingua demo --page`: a scheduler and a node, and the page to speak into, until it is stopped.

Opens a browser where there is one to open; prints the address in any case.
"""

import asyncio
import os
import sys
import webbrowser
from collections.abc import Mapping

from rich.console import Console


def has_screen(environment: Mapping[str, str] = os.environ) -> bool:
    """Tell whether a browser could show itself here."""
    if sys.platform in {"darwin", "win32"}:
        return True
    return bool(environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY"))


async def offer_page(port: int, console: Console) -> None:
    """Show where the page is, open it if that is possible, and wait until cancelled."""
    address = f"http://127.0.0.1:{port}/"
    console.print(f"speak into this page: {address}   (Ctrl-C ends everything)")
    if has_screen():
        # A browser may take seconds to start, and the node has work to do.
        await asyncio.to_thread(webbrowser.open, address)
    await asyncio.Event().wait()
