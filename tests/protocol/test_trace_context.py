"""Where an utterance stands in a trace: worked out alike on every instance."""

from protocol.trace_context import context_of, leg_span, span_id, traceparent_for_node
from protocol.wire import _TRACE_PARENT

CLIENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_the_clients_trace_is_gone_on_with() -> None:
    context = context_of("job-1", CLIENT)
    assert f"{context.trace_id:032x}" == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert context.parent_id == 0x00F067AA0BA902B7
    assert context.is_sampled
    assert not context_of("job-1", f"{CLIENT[:-2]}00").is_sampled
    assert context_of("job-1", f"{CLIENT}-more".replace("00-4", "01-4", 1)).is_sampled


def test_without_one_each_utterance_has_a_trace_of_its_own() -> None:
    one, other = context_of("job-1", None), context_of("job-2", None)
    assert one.trace_id != other.trace_id
    assert one.parent_id is None
    assert context_of("job-1", None) == one


def test_a_node_gets_a_traceparent_below_its_attempt() -> None:
    context = context_of("job-1", CLIENT)
    first, second = (traceparent_for_node("job-1", attempt, context) for attempt in (1, 2))
    assert first != second
    for text in (first, second):
        assert _TRACE_PARENT.fullmatch(text)
        assert text.split("-")[1] == CLIENT.split("-")[1]
    assert int(first.split("-")[2], 16) == span_id("job-1", leg_span(1))


def test_the_given_share_of_traces_that_begin_here_is_sampled() -> None:
    sampled = sum(context_of(f"job-{number}", None, 0.25).is_sampled for number in range(4000))
    assert 850 < sampled < 1150
    assert not context_of("job-1", None, 0.0).is_sampled
    assert context_of("job-1", None, 1.0).is_sampled
