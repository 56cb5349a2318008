"""Credentials and certificates in files: read at the start, and again when they change."""

import os
import ssl
from pathlib import Path

import pytest

from cli.serve.live_access import LiveAccess, has_files
from cli.settings.error import SettingsError
from cli.settings.settings import Settings
from gateway.access.access import Admitted, Door
from gateway.access.options import AccessOptions
from gateway.options import GatewayOptions
from tests.support.access import request
from tests.support.certificates import write_certificate


def live(host: str = "127.0.0.1", **options: str) -> LiveAccess:
    access = AccessOptions(**options)  # type: ignore[arg-type]  # texts alone are given here
    return LiveAccess(Settings(access=access, gateway=GatewayOptions(host=host)))


def gets_in(access: LiveAccess, door: Door, token: str) -> bool:
    asked = request(authorization=f"Bearer {token}")
    return isinstance(access.access.judge(asked, door), Admitted)


def changed(path: Path, text: str) -> None:
    """Write, and move the time of change on: two writes may be within one tick of its clock."""
    path.write_text(text, encoding="utf-8")
    stat = path.stat()
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1_000_000))


def test_tokens_in_a_setting_and_in_its_file_are_all_valid(tmp_path: Path) -> None:
    path = tmp_path / "clients"
    path.write_text("acme:from-the-file\n", encoding="utf-8")
    access = live(client_tokens="acme:from-the-setting", client_tokens_file=str(path))
    assert gets_in(access, Door.CLIENT, "from-the-file")
    assert gets_in(access, Door.CLIENT, "from-the-setting")


def test_a_changed_file_counts_at_the_next_look(tmp_path: Path) -> None:
    path = tmp_path / "nodes"
    path.write_text("gpu:old\n", encoding="utf-8")
    access = live(node_tokens_file=str(path))
    changed(path, "gpu:old\ngpu:new\n")
    assert not gets_in(access, Door.NODE, "new")
    access.look()
    assert gets_in(access, Door.NODE, "old")
    assert gets_in(access, Door.NODE, "new")
    changed(path, "gpu:new\n")
    access.look()
    assert not gets_in(access, Door.NODE, "old")


def test_a_link_that_points_elsewhere_is_a_change(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_text(f"gpu:{name}\n", encoding="utf-8")
    link = tmp_path / "nodes"
    link.symlink_to(tmp_path / "a")
    access = live(node_tokens_file=str(link))
    link.unlink()
    link.symlink_to(tmp_path / "b")
    access.look()
    assert gets_in(access, Door.NODE, "b")


@pytest.mark.parametrize("text", ["", "gpu", "gpu:ses ame", "# nobody\n"])
def test_a_file_that_cannot_be_used_changes_nothing(tmp_path: Path, text: str) -> None:
    path = tmp_path / "nodes"
    path.write_text("gpu:old\n", encoding="utf-8")
    access = live(node_tokens_file=str(path))
    changed(path, text)
    access.look()
    assert gets_in(access, Door.NODE, "old")
    path.unlink()
    access.look()
    assert gets_in(access, Door.NODE, "old")
    changed(path, "gpu:new\n")
    access.look()
    assert gets_in(access, Door.NODE, "new")


@pytest.mark.parametrize("text", [None, "", "gpu", "\0"])
@pytest.mark.parametrize("name", ["node_tokens_file", "jwks_file", "tls_cert"])
def test_at_the_start_such_a_file_is_one_line(tmp_path: Path, name: str, text: str | None) -> None:
    path = tmp_path / "file"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        live(**{name: str(path)})
    assert str(caught.value).startswith(f"{name}: ")
    assert "\n" not in str(caught.value)


def test_an_empty_secret_in_a_file_lets_nobody_sign(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("\n", encoding="utf-8")
    with pytest.raises(SettingsError, match="jwt_secret_file: the secret for JWTs is empty"):
        live(jwt_secret_file=str(path))


def test_a_key_without_a_certificate_is_refused() -> None:
    with pytest.raises(SettingsError, match="tls_key: there is no tls_cert"):
        live(tls_key="key.pem")


def test_authorities_of_nodes_need_tls_and_a_file_that_holds_some(tmp_path: Path) -> None:
    write_certificate(tmp_path)
    certificate, key = str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")
    with pytest.raises(SettingsError, match="node_ca_file: there is no tls_cert"):
        live(node_ca_file=certificate)
    for wrong in (key, str(tmp_path / "none.pem")):
        with pytest.raises(SettingsError, match=r"node_ca_file: .* cannot be used"):
            live(tls_cert=certificate, tls_key=key, node_ca_file=wrong)


def test_a_certificate_is_replaced_and_one_that_does_not_fit_is_not(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder, name in ((first, "one"), (second, "two")):
        folder.mkdir()
        write_certificate(folder, name)
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    certificate.write_bytes((first / "cert.pem").read_bytes())
    key.write_bytes((first / "key.pem").read_bytes())
    access = live(tls_cert=str(certificate), tls_key=str(key))
    assert access.tls is not None
    assert subject(access.tls) == "one"
    changed(certificate, (second / "cert.pem").read_text(encoding="utf-8"))
    access.look()
    assert subject(access.tls) == "one"
    changed(key, (second / "key.pem").read_text(encoding="utf-8"))
    access.look()
    assert subject(access.tls) == "two"


def subject(context: ssl.SSLContext) -> str:
    """Return the name in the certificate that a handshake shows."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_mode = ssl.CERT_NONE
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    asks = client.wrap_bio(to_client, to_server)
    answers = context.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for end in (asks, answers):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    der = asks.getpeercert(binary_form=True)
    assert der
    return common_name(der)


def common_name(der: bytes) -> str:
    from cryptography import x509  # noqa: PLC0415 - slow to load
    from cryptography.x509.oid import NameOID  # noqa: PLC0415

    names = x509.load_der_x509_certificate(der).subject
    return str(names.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


def test_only_files_can_be_read_again() -> None:
    assert not has_files(Settings(access=AccessOptions(node_tokens="gpu:sesame")))
    assert has_files(Settings(access=AccessOptions(node_tokens_file="f")))
    assert has_files(Settings(access=AccessOptions(tls_cert="f")))


def test_the_start_says_that_operators_are_shut_out_and_that_a_secret_is_short() -> None:
    public = live("192.0.2.7", jwt_secret="short", node_tokens="gpu:sesame")
    assert len(list(public.warnings())) == 2
    assert not list(live("192.0.2.7", admin_token="a", node_tokens="g:s").warnings())
    assert not list(live().warnings())
