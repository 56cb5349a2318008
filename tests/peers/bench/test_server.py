"""The server under measure: where it listens."""

import socket

from peers.bench.server import HOST, free_port


def test_a_port_that_is_wanted_is_taken_unless_somebody_has_it() -> None:
    wanted = free_port()
    assert free_port(wanted) == wanted
    with socket.create_server((HOST, wanted)):
        assert free_port(wanted) != wanted
