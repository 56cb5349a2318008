"""Variables that an orchestrator puts into the environment for a service called `lingua`. Pure.

Kubernetes (Pod.spec.enableServiceLinks) and the links of old Docker tell every container of a
namespace where each service is: `LINGUA_SERVICE_HOST`, `LINGUA_PORT=tcp://10.0.0.7:5010`, and
the same with the name of a service behind `LINGUA_`. Nobody who runs this program wrote them.
"""

import re

_PLACE = re.compile(
    r"LINGUA(_\w+)?_(SERVICE_HOST|SERVICE_PORT\w*|PORT_\d+_(TCP|UDP|SCTP)\w*)", re.ASCII
)
_PORT = re.compile(r"LINGUA(_\w+)?_PORT", re.ASCII)
_URLS = ("tcp://", "udp://", "sctp://")


def is_injected(variable: str, text: str, *, is_setting: bool) -> bool:
    """Return whether a variable, in upper case, is no setting but was put there.

    A setting may have such a name, `LINGUA_PORT` above all: then only a value that no setting
    can have is taken for an injected one.
    """
    if _PLACE.fullmatch(variable):
        return not is_setting
    return _PORT.fullmatch(variable) is not None and text.startswith(_URLS)
