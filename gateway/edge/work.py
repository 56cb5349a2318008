"""What a socket makes us do costs: work is paid for by what it is, not by bytes.

One socket's account of it is `gateway.edge.intake.Work`.

The unit is one message of a client, read and handled: about 40 µs.
"""

from typing import Final

FRAME_COST: Final = 0.02
"""A frame that carries no message: an empty or tiny fragment."""
PING_COST: Final = 0.25
"""A ping and its pong; a keep-alive in JSON."""
MESSAGE_COST: Final = 1.0
REFUSAL_COST: Final = 4.0
"""To say what is wrong with a message, beyond the message."""
LOOKUP_COST: Final = 10.0
"""To ask the store about a session that is not here."""
PASSED_BYTES: Final = 64 * 1024
"""So much of a message that is read past costs 1: it is copied out of the kernel all the same."""
