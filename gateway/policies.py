"""What holds for the sockets of clients, of nodes and of operators."""

from gateway.admin.socket import MAX_MESSAGE_BYTES
from gateway.edge.upgrade import SocketPolicy
from gateway.node_socket import OUTBOX_MESSAGES
from gateway.options import GatewayOptions


def session_policy(options: GatewayOptions) -> SocketPolicy:
    """Return what holds for clients."""
    return SocketPolicy(
        options.session_max_message_bytes,
        strict_text=True,
        keepalive=True,
        queues=True,
        max_outbox_bytes=options.max_outbox_bytes,
        read_ahead_bytes=options.read_ahead_bytes,
        message_rate=options.message_rate,
        message_burst=options.message_burst,
    )


def node_policy(options: GatewayOptions) -> SocketPolicy:
    """Return what holds for nodes."""
    return SocketPolicy(
        options.idle_node_max_message_bytes,
        strict_text=False,
        keepalive=False,
        max_outbox_bytes=OUTBOX_MESSAGES * options.node_max_message_bytes,
        message_rate=options.message_rate,
        message_burst=options.message_burst,
        is_spared=True,
    )


def admin_policy(options: GatewayOptions) -> SocketPolicy:
    """Return what holds for operators."""
    return SocketPolicy(
        MAX_MESSAGE_BYTES,
        strict_text=True,
        keepalive=True,
        max_outbox_bytes=options.max_outbox_bytes,
        message_rate=options.message_rate,
        message_burst=options.message_burst,
    )
