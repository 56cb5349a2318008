"""One port for several processes of ours, and for nobody else."""

import socket

import pytest

from gateway.edge.shared_port import SharedPort


def test_processes_that_share_may_listen_and_others_may_not() -> None:
    with (
        SharedPort("127.0.0.1", 0) as shared,
        socket.create_server(("127.0.0.1", shared.port), reuse_port=True),
        socket.create_server(("127.0.0.1", shared.port), reuse_port=True),
        pytest.raises(OSError, match="in use"),
    ):
        socket.create_server(("127.0.0.1", shared.port))


def test_it_is_not_shared_with_somebody_who_was_there_before() -> None:
    with (
        socket.create_server(("127.0.0.1", 0), reuse_port=True) as other,
        pytest.raises(OSError, match="in use"),
    ):
        SharedPort("127.0.0.1", other.getsockname()[1])


def test_a_port_that_was_let_go_of_is_free() -> None:
    shared = SharedPort("127.0.0.1", 0)
    shared.close()
    with socket.create_server(("127.0.0.1", shared.port)):
        pass
