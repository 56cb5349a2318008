"""The operators' dashboard in a real browser: what it shows, what it does, and for whom."""

from collections.abc import Iterator

import pytest

from tests.end_to_end.support.peers.chromium import Chromium, Page, chromium, program
from tests.end_to_end.support.processes.instances import Instances, running_instances
from tests.end_to_end.support.speaking_page import PHONE, bad_line, faults, fits, shows, texts
from tests.support.peers.raw_client import raw_client, tone
from tests.support.peers.raw_node import Ability, RawNode, raw_node
from tests.support.peers.raw_wire import Pair, over_sockets
from tests.support.processes.scheduler_process import SchedulerProcess, running_scheduler

pytestmark = [pytest.mark.takes(40), pytest.mark.timeout(120)]

TOKENS = {"LINGUA_ADMIN_TOKEN": "admin-sesame", "LINGUA_NODE_TOKENS": "gpu:node-sesame,b:second"}
NODES = "#nodes tbody tr:not(.note)"


@pytest.fixture(scope="module")
def instances() -> Iterator[Instances]:
    """What lives on one of them is shown and changed by the other's dashboard."""
    with running_instances(2, "--close-flush-ms", "300") as running:
        yield running


@pytest.fixture(scope="module")
def guarded() -> Iterator[SchedulerProcess]:
    """A scheduler with tokens for operators and nodes."""
    with running_scheduler(env=TOKENS) as process:
        yield process


async def open_dashboard(browser: Chromium, port: int, more: str = "") -> Page:
    return await browser.open(f"http://127.0.0.1:{port}/dashboard{more}")


async def press(page: Page, label: str) -> None:
    """Press the button with this label, once it is there."""
    query = f"document.querySelector('button[aria-label=\"{label}\"]')"
    await page.until(f"{query} !== null")
    await page.run(f"{query}.click()")


async def confirm(page: Page, title: str) -> None:
    """Answer the question with yes; it must be asked."""
    await page.until("document.querySelector('#confirm').open")
    assert await texts(page, "#confirm-title") == [title]
    await page.click("#confirm-yes")


def row(table: str, text: str) -> str:
    """Return the expression for the row of a table with this text."""
    rows = f"[...document.querySelectorAll('{table} tbody tr')]"
    return f"{rows}.find((row) => row.innerText.includes('{text}'))"


def row_of(node: RawNode) -> str:
    return row("#nodes", node.node_id)


@over_sockets
async def test_a_node_of_another_instance_is_drained_when_that_is_confirmed_and_undrained(
    instances: Instances, pair: Pair
) -> None:
    async with (
        raw_node(instances[0].node_url, Ability.of(pair)) as node,
        chromium(program()) as browser,
    ):
        page = await open_dashboard(browser, instances[1].port)
        await press(page, f"Drain {node.node_id}")
        await page.until("document.querySelector('#confirm').open")
        await page.click("#confirm button[value=no]")
        await press(page, f"Drain {node.node_id}")
        await confirm(page, f"Drain {node.node_id}?")
        heard = await node.hear("node_control")
        assert heard["command"] == "drain"
        await page.until(f"{row_of(node)}?.innerText.includes('drained by an operator')")
        await press(page, f"Undrain {node.node_id}")
        await confirm(page, f"Undrain {node.node_id}?")
        assert (await node.hear("node_control"))["command"] == "undrain"
        await page.until(f"{row_of(node)}?.innerText.includes('drained') === false")
        assert sum(message["type"] == "node_control" for message in node.heard) == 2
        assert not faults(page)
        await page.close()


@over_sockets
async def test_what_waits_is_seen_with_its_reason_its_time_and_its_life_and_is_cancelled(
    instances: Instances, pair: Pair
) -> None:
    async with (
        raw_node(instances[0].node_url, Ability.of(pair, capacity=1)) as node,
        raw_client(instances[0].session_url, *pair) as client,
        chromium(program()) as browser,
    ):
        await client.speak(tone(300))
        job = await node.job()
        await client.speak(tone(400))
        await client.hear("ui_event", event="QUEUED")
        page = await open_dashboard(browser, instances[1].port)
        pairs = row("#pairs", pair[0])
        await page.until(f"{pairs}?.children[5].innerText === '1'")
        assert await page.run(f"/\\d (ms|s)$/.test({pairs}.children[6].innerText)")
        await press(page, f"Why? {pair[0]} to {pair[1]}")
        await shows(page, "none of the 1 nodes that serve this pair can be chosen now")
        await shows(page, "no free slot")
        await page.run("document.querySelector('#detail button').click()")
        await page.run("document.querySelector('#jobs-refresh').click()")
        await press(page, f"Timeline {job['job_id']}")
        await shows(page, "State assigned, attempt 1")
        events = [line.split("\t")[2] for line in await texts(page, "#detail-table tbody tr")]
        assert events == ["created", "assigned"]
        await page.run("document.querySelector('#detail button').click()")
        await press(page, f"Cancel {job['job_id']}")
        await confirm(page, f"Cancel job {job['job_id']}?")
        await client.hear("missing_result", reason="cancelled")
        await node.answer(await node.job())
        await client.result()
        await page.run("document.querySelector('#sessions-refresh').click()")
        ref = client.ack["session_ref"]
        await press(page, f"Close session {ref}")
        await confirm(page, f"Close session {ref}?")
        await page.until(f"!document.querySelector('#sessions').innerText.includes('{ref}')")
        assert not faults(page)
        await page.close()


@over_sockets
async def test_a_slow_node_is_marked_and_everything_fits_on_a_phone(
    instances: Instances, pair: Pair
) -> None:
    nodes = [Ability.of(pair, node_id=f"{name}-{pair[0]}") for name in ("fast", "slow")]
    async with (
        raw_node(instances[0].node_url, nodes[0]) as fast,
        raw_node(instances[0].node_url, nodes[1]) as slow,
        raw_client(instances[0].session_url, *pair) as client,
        raw_client(instances[0].session_url, *pair) as other,
        chromium(program()) as browser,
    ):
        fast.answers(0.3)
        slow.answers(1.5)
        for number in range(8):
            for speaker in (client, other):
                await speaker.speak(tone(1000 + number))
            for speaker in (client, other):
                await speaker.result()
        page = await open_dashboard(browser, instances[0].port)
        await page.resize(*PHONE)
        await page.until(f"{row_of(fast)}?.innerText.includes(' ms')")
        assert len(slow.jobs) >= 5
        await page.until(f"{row_of(slow)}?.innerText.includes('ms, slow')")
        assert not await page.run(f"{row_of(fast)}.children[3].innerText.includes('slow')")
        assert await fits(page)
        assert await page.run("document.querySelectorAll('.chart canvas').length") == 4
        assert not faults(page)
        await page.close()


@over_sockets
async def test_a_token_is_asked_for_kept_out_of_the_address_and_forgotten_when_signed_out(
    guarded: SchedulerProcess,
) -> None:
    async with chromium(program()) as browser:
        page = await open_dashboard(browser, guarded.port)
        await page.until("!document.querySelector('#sign-in').hidden")
        await page.run("document.querySelector('#token').value = 'wrong'")
        await page.click("#sign-in button")
        await shows(page, "This token was not accepted: the token is not valid here.")
        await page.run("document.querySelector('#token').value = 'admin-sesame'")
        await page.click("#sign-in button")
        await shows(page, "Live, ")
        await page.click("#jobs-refresh")
        await shows(page, "No job is in this state.")
        assert "sesame" not in await page.run("location.href + document.documentElement.outerHTML")
        await page.click("#sign-out")
        await page.until("document.querySelector('#sign-in')?.hidden === false")
        await page.close()
        page = await open_dashboard(browser, guarded.port, "?token=admin-sesame")
        await shows(page, "Live, ")
        assert "sesame" not in await page.run("location.href")
        await page.close()


@over_sockets
async def test_the_owner_of_a_node_sees_that_node_alone_and_no_button(
    guarded: SchedulerProcess, pair: Pair
) -> None:
    url = guarded.node_url
    async with (
        raw_node(f"{url}?token=node-sesame", Ability.of(pair, node_id="own")),
        raw_node(f"{url}?token=second", Ability.of(pair, node_id="of-another")),
        chromium(program()) as browser,
    ):
        page = await open_dashboard(browser, guarded.port, "#token=node-sesame")
        await shows(page, "Live: your nodes")
        assert await page.run(f"document.querySelectorAll('{NODES}').length") == 1
        shown = await page.run("document.querySelector('main').innerText")
        assert "own" in shown
        for hidden in ("of-another", "Drain", "Sessions", "Jobs", "Instances"):
            assert hidden not in shown
        await page.close()


@over_sockets
async def test_a_line_that_is_cut_is_shown_and_comes_back(instances: Instances) -> None:
    async with bad_line(instances[0].port) as line, chromium(program()) as browser:
        page = await open_dashboard(browser, line.port)
        await shows(page, "Live, ")
        line.is_refusing = True
        for link in list(line.links):
            link.reset()
        await shows(page, "No connection to the service")
        line.is_refusing = False
        await shows(page, "Live, ")
        await page.until("!document.body.innerText.includes('No connection')")
        await page.close()
