"""Sessions that go on at another instance: the settings of both, and audio that is sent again."""

from tests.support.peers.raw_client import RawClient

FLAGS = (
    "--session-grace-seconds=8",
    "--close-flush-ms=3000",
    "--audio-ack-interval-ms=50",
    "--instance-lease-ms=1000",
    "--drain-seconds=3",
)


async def replay(client: RawClient, said: list[bytes], size: int = 1500) -> None:
    """Send everything again, from the first piece on."""
    client.seq = 0
    for audio in said:
        await client.speak(audio, size=size)
