"""How this program starts a module of its own in another process, from wherever it is run.

In a checkout the packages lie at its top and are called `peers`, `cli`, …; installed they lie under
`lingua` (`setup.py` moves them there). Owns that difference and nothing else.
"""

import os
import site
import sys
from pathlib import Path
from typing import Final

_PREFIX: Final = __name__.removesuffix("peers.child_module")
IS_INSTALLED: Final = bool(_PREFIX)
"""Whether this runs from an installed wheel, not from a checkout."""
_ROOT: Final = Path(__file__).parents[1 + _PREFIX.count(".")]
"""The folder that has to be on the import path for the modules to be found."""


def module_command(module: str, *arguments: str) -> tuple[str, ...]:
    """Return the command that runs a module, named as in a checkout: `peers.bench.bare_relay`.

    The folder it is started in is not on its import path (`-P`): whatever lies there is nobody's
    module.
    """
    return (sys.executable, "-P", "-m", f"{_PREFIX}{module}", *arguments)


def module_environment() -> dict[str, str]:
    """Return the environment in which that command finds its modules.

    Where Python looks anyway nothing is added: what stands in `PYTHONPATH` precedes the standard
    library, and other packages lie beside an installed one.
    """
    if _ROOT.resolve() in {Path(folder).resolve() for folder in _site_folders()}:
        return dict(os.environ)
    path = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path)}


def _site_folders() -> list[str]:
    return [*site.getsitepackages(), site.getusersitepackages()]
