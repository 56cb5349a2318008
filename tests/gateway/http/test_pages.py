"""The pages as a browser fetches them."""

import re
from pathlib import Path

import pytest

import gateway
from gateway.access.access import Access
from gateway.access.options import AccessOptions
from tests.gateway.support.raw_peer import Peer
from tests.gateway.support.running_gateway import RunningGateway, run_gateway

PAGES = Path(gateway.__file__).parent / "pages"
OWN = [
    path
    for path in sorted(PAGES.rglob("*"))
    if path.suffix in {".html", ".js", ".css"} and path.parent.name != "uplot"
]
MAX_FILE_LINES = 400


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/dashboard", "text/html; charset=utf-8"),
        ("/lingua-client.js", "text/javascript; charset=utf-8"),
        ("/lingua-client.d.ts", "text/plain; charset=utf-8"),
        ("/speak/speak.css?v=1", "text/css; charset=utf-8"),
        ("/icon.svg", "image/svg+xml"),
        ("/uplot/LICENSE.txt", "text/plain; charset=utf-8"),
    ],
)
def test_each_file_has_its_type_and_runs_nothing_but_our_own_files(
    path: str, content_type: str
) -> None:
    async def scenario(running: RunningGateway) -> None:
        status, headers, body = await running.get(path)
        assert (status, headers["content-type"]) == (200, content_type)
        assert body
        policy = headers["content-security-policy"]
        assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert "microphone=(self)" in headers["permissions-policy"]

    run_gateway(scenario)


def test_head_says_how_long_a_page_is_and_sends_none_of_it() -> None:
    async def scenario(running: RunningGateway) -> None:
        _, _, body = await running.get("/")
        status, headers, rest = await running.get("/", "HEAD")
        assert (status, int(headers["content-length"]), rest) == (200, len(body), b"")

    run_gateway(scenario)


async def known(running: RunningGateway, tags: str) -> tuple[str, bytes]:
    peer: Peer = await running.dial()
    peer.writer.write(
        f"GET / HTTP/1.1\r\nHost: localhost\r\nIf-None-Match: {tags}\r\n\r\n".encode()
    )
    head, _, body = (await peer.reader.read()).partition(b"\r\n\r\n")
    return head.split(b"\r\n")[0].decode(), body


def test_what_a_browser_has_already_is_not_sent_again() -> None:
    async def scenario(running: RunningGateway) -> None:
        _, headers, _ = await running.get("/")
        tag = headers["etag"]
        assert headers["cache-control"] == "no-cache"
        for tags in (tag, f'"other", W/{tag}', "*"):
            line, body = await known(running, tags)
            assert (line, body) == ("HTTP/1.1 304 Not Modified", b"")
        line, body = await known(running, '"other"')
        assert line == "HTTP/1.1 200 OK"
        assert body

    run_gateway(scenario)


def test_pages_of_other_origins_may_use_the_client_and_nothing_else() -> None:
    async def scenario(running: RunningGateway) -> None:
        for path in PAGES.glob("lingua-*"):
            _, headers, _ = await running.get(f"/{path.name}")
            assert headers["access-control-allow-origin"] == "*"
            assert headers["cross-origin-resource-policy"] == "cross-origin"
        _, headers, _ = await running.get("/speak/app.js")
        assert "access-control-allow-origin" not in headers
        assert headers["cross-origin-resource-policy"] == "same-origin"

    run_gateway(scenario)


def test_there_is_no_way_out_of_the_folder() -> None:
    async def scenario(running: RunningGateway) -> None:
        for path in ("/../answers.py", "/speak/../../http/pages.py", "/speak%2Fapp.js", "/speak/"):
            status, _, _ = await running.get(path)
            assert status == 404

    run_gateway(scenario)


def guarded(admin_token: str, node_tokens: str, client_tokens: str) -> Access:
    options = AccessOptions(
        admin_token=admin_token, node_tokens=node_tokens, client_tokens=client_tokens
    )
    return Access(options, "127.0.0.1")


def test_the_dashboard_asks_for_a_token_and_its_parts_need_none() -> None:
    async def scenario(running: RunningGateway) -> None:
        status, headers, body = await running.get("/dashboard")
        assert (status, headers["www-authenticate"]) == (401, "Bearer")
        assert headers["cache-control"] == "no-store"
        assert b'id="sign-in"' in body
        assert (await running.get("/dashboard/app.js"))[0] == 200
        assert (await running.get("/dashboard?token=operator"))[0] == 200
        assert (await running.get("/dashboard?token=gpu"))[0] == 200
        assert (await running.get("/"))[0] == 200
        assert (await running.get("/api/v1/stats"))[0] == 401

    access = guarded(admin_token="operator", node_tokens="owner:gpu", client_tokens="acme:x")
    run_gateway(scenario, access=access)


def test_where_operators_are_shut_out_owners_of_nodes_still_sign_in() -> None:
    async def scenario(running: RunningGateway) -> None:
        status, headers, body = await running.get("/dashboard")
        assert (status, headers["content-type"]) == (403, "text/html; charset=utf-8")
        assert b'id="sign-in"' in body

    run_gateway(scenario, access=Access(AccessOptions(node_tokens="owner:gpu"), "0.0.0.0"))  # noqa: S104


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.name)
def test_a_page_has_no_inline_code_no_address_of_others_and_no_text_that_becomes_markup(
    path: Path,
) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= MAX_FILE_LINES
    assert not re.search(r"\sstyle=|\son[a-z]+=\"|<style|<script(?![^>]*src=)", text)
    outside = [url for url in re.findall(r"https?://[\w.-]+", text) if "w3.org" not in url]
    assert set(outside) <= {"https://HOST"}
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", text)
    roots = re.findall(r"""(?:src|href|fetch\(|from )=?["']/[^"']*""", text)
    assert not roots, "addresses are relative: the service may lie under a path"


def test_everything_that_the_client_exports_has_its_type() -> None:
    code = (PAGES / "lingua-client.js").read_text(encoding="utf-8")
    types = (PAGES / "lingua-client.d.ts").read_text(encoding="utf-8")
    own = re.findall(r"^export class (\w+)", code, re.MULTILINE)
    handed_on = [
        name.strip()
        for names in re.findall(r"^export \{([^}]*)\}", code, re.MULTILINE)
        for name in names.split(",")
    ]
    typed_names = re.findall(r"^export (?:class|function) (\w+)", types, re.MULTILINE)
    assert {*own, *handed_on} == {*typed_names}
    body = code[code.index("export class LinguaClient") :]
    methods = set(re.findall(r"^  (?:get )?([a-z]\w+)\(", body, re.MULTILINE)) - {"constructor"}
    typed = types[types.index("export class LinguaClient") :]
    missing = [name for name in methods if not re.search(rf"\b{name}[(:<]", typed)]
    assert not missing
