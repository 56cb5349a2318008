"""A store that lost everything, for the tests of the dispatcher."""

from actors.messages.process import StoreEmptied
from tests.actors.support.dispatch_bench import DispatchBench


def flush(bench: DispatchBench) -> None:
    """Let the store lose everything and everyone tell it again, as after a beat."""
    bench.world.run(bench.world.store.read([("FLUSHALL",)]))
    bench.world.beat()
    bench.tell(
        *(bench.arrived(name) for name in bench.directory.nodes),
        *(bench.opened(name) for name in bench.sessions),
        StoreEmptied(),
    )
