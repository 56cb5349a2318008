"""A server for the bench's own tests: ready at once, takes all audio, never gives an outcome.

Run as a program with the scheduler's flags, of which it reads the port only.
"""

import argparse
import asyncio

from peers.bench.bare_relay import HOST, Passthrough, RelayConnection


class DeafRelay(Passthrough):
    """Answers `session_init` and `node_register`; audio goes nowhere."""

    def chunk_received(self, connection: RelayConnection, audio: bytes, *, is_final: bool) -> None:
        """Drop it."""


async def _serve(port: int) -> None:
    relay = DeafRelay()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: RelayConnection(relay), HOST, port)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    asyncio.run(_serve(parser.parse_known_args()[0].port))
