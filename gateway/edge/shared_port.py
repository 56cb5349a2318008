"""One port for several processes: the kernel spreads connections over all that listen on it.

It owns the check that nobody else uses the port. It must not listen itself.
"""

import socket
from types import TracebackType
from typing import Self


class SharedPort:
    """Holds a port for processes of ours. Life: made, kept while any of them may listen, closed.

    A process that listens on the same port with the same option joins unasked, so the port is
    first bound without it: that fails where anybody else is. Later others fail because ours listen.
    """

    def __init__(self, host: str, port: int) -> None:
        """Take the port; 0 takes any free one.

        Raises:
            OSError: the address is in use, not ours, or the system cannot share ports.
        """
        if not hasattr(socket, "SO_REUSEPORT"):
            raise OSError("this system cannot share a port between processes")
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as alone:
            alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            alone.bind(address)
            alone.listen(1)  # only then does the address of one that merely waits count
            self.port: int = alone.getsockname()[1]
        self._held = socket.socket(family, socket.SOCK_STREAM)
        try:
            self._held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            self._held.bind((address[0], self.port, *address[2:]))
        except OSError:
            self._held.close()
            raise

    def close(self) -> None:
        """Let go of the port. Idempotent."""
        self._held.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
