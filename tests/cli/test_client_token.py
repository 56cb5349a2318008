"""`run.py token`, and how nodes and clients on the command line get theirs."""

import argparse
import json
import time
from pathlib import Path

import jwt
import pytest

from cli.client_token import main
from cli.peer_token import add_token_flags, token_of
from cli.settings.error import SettingsError

SECRET = "a secret that is long enough for HS256"


def claims(capsys: pytest.CaptureFixture[str], **rules: str) -> dict[str, object]:
    token = capsys.readouterr().out.strip()
    return jwt.decode(token, SECRET, ["HS256"], **rules)  # type: ignore[arg-type]  # texts


def test_a_token_names_its_tenant_and_ends_soon(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LINGUA_JWT_SECRET", SECRET)
    assert main(["--tenant", "acme", "--minutes", "10"]) == 0
    found = claims(capsys)
    assert found["tenant"] == "acme"
    assert isinstance(found["exp"], int)
    assert 590 < found["exp"] - time.time() <= 600


def test_it_is_signed_with_the_first_secret_of_the_file_and_fits_the_rules(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "secrets"
    path.write_text(f"{SECRET}\nthe one before\n", encoding="utf-8")
    monkeypatch.setenv("LINGUA_JWT_SECRET_FILE", str(path))
    monkeypatch.setenv("LINGUA_JWT_AUDIENCE", "lingua")
    monkeypatch.setenv("LINGUA_JWT_ISSUER", "us")
    assert main(["--tenant", "acme"]) == 0
    assert claims(capsys, audience="lingua", issuer="us")["tenant"] == "acme"


def test_as_json_it_comes_with_what_was_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LINGUA_JWT_SECRET", SECRET)
    assert main(["--tenant", "acme", "--minutes", "5", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["tenant"], shown["minutes"], shown["token"].count(".")) == ("acme", 5, 2)


def test_without_a_secret_there_is_no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LINGUA_JWT_SECRET", raising=False)
    with pytest.raises(SettingsError, match="there is no secret to sign with"):
        main(["--tenant", "acme"])


@pytest.mark.parametrize("minutes", ["0", "-1", "nan", "inf", "soon"])
def test_a_lifetime_is_bounded(minutes: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--tenant", "acme", "--minutes", minutes])
    assert "--minutes" in capsys.readouterr().err


def given(*argv: str) -> str | None:
    parser = argparse.ArgumentParser()
    add_token_flags(parser)
    return token_of(parser.parse_args(argv))


def test_a_node_or_client_reads_its_token_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("sesame\n", encoding="utf-8")
    assert given("--token-file", str(path)) == "sesame"
    assert given("--token", "sesame") == "sesame"
    assert given() is None


def test_a_file_without_a_token_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "token"
    with pytest.raises(SettingsError, match="No such file"):
        given("--token-file", str(path))
    path.write_text("\n", encoding="utf-8")
    with pytest.raises(SettingsError, match="is empty"):
        given("--token-file", str(path))
