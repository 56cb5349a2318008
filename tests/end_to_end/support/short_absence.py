"""A scheduler that waits for lost clients, but not for long."""

GRACE = 1.5
FLUSH = 0.5
PAUSE = 0.6
"""Seconds."""
FLAGS = (
    f"--session-grace-seconds={GRACE}",
    f"--gateway-grace-seconds={GRACE}",
    f"--close-flush-ms={int(FLUSH * 1000)}",
    f"--pause-ms={int(PAUSE * 1000)}",
    "--audio-ack-interval-ms=50",
)
