"""JWTs: what is taken, and the ways to forge one that are not."""

import base64
import hashlib
import hmac
import json
import time
from datetime import timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st

from gateway.access.jwt_verifier import (
    JwtKeyError,
    JwtRules,
    JwtVerifier,
    has_short_secret,
    mint,
    public_keys,
    secret_keys,
)

SECRET = "a secret of at least thirty-two bytes"
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
CURVE = ec.generate_private_key(ec.SECP256R1())
EDWARDS = ed25519.Ed25519PrivateKey.generate()


def claims(**more: Any) -> dict[str, Any]:
    return {"sub": "someone", "tenant": "acme", "exp": int(time.time()) + 60, **more}


def jwk(key: Any, algorithm: str, **more: Any) -> dict[str, Any]:
    made = jwt.get_algorithm_by_name(algorithm).to_jwk(key.public_key(), as_dict=True)
    return {**made, **more}


def key_set(*entries: dict[str, Any]) -> str:
    return json.dumps({"keys": entries})


ALL_KEYS = key_set(jwk(RSA, "RS256", kid="r"), jwk(CURVE, "ES256"), jwk(EDWARDS, "EdDSA"))


def verifier(**rules: Any) -> JwtVerifier:
    return JwtVerifier([*secret_keys(SECRET), *public_keys(ALL_KEYS)], JwtRules(**rules))


@pytest.mark.parametrize(
    ("algorithm", "key"), [("HS256", SECRET), ("RS256", RSA), ("ES256", CURVE), ("EdDSA", EDWARDS)]
)
def test_a_genuine_token_names_its_tenant(algorithm: str, key: Any) -> None:
    assert verifier().tenant_of(jwt.encode(claims(), key, algorithm)) == "acme"


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", ""])
def test_a_token_without_signature_is_never_taken(algorithm: str) -> None:
    def part(value: Any) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    head, body = part({"alg": algorithm, "typ": "JWT"}), part(claims())
    for signature in ("", "AAAA"):
        assert verifier().tenant_of(f"{head}.{body}.{signature}") is None


@pytest.mark.parametrize("encoding", ["PEM", "DER", "jwk", "modulus"])
def test_a_public_key_is_no_secret(encoding: str) -> None:
    """The classic: signed with HS256, and as the secret what everybody can read."""
    public = RSA.public_key()
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    secret = {
        "PEM": public.public_bytes(serialization.Encoding.PEM, spki),
        "DER": public.public_bytes(serialization.Encoding.DER, spki),
        "jwk": json.dumps(jwk(RSA, "RS256")).encode(),
        "modulus": base64.urlsafe_b64decode(jwk(RSA, "RS256")["n"] + "=="),
    }[encoding]

    def part(value: bytes) -> bytes:
        return base64.urlsafe_b64encode(value).rstrip(b"=")

    signed = part(b'{"alg":"HS256","kid":"r"}') + b"." + part(json.dumps(claims()).encode())
    forged = signed + b"." + part(hmac.digest(secret, signed, hashlib.sha256))
    assert JwtVerifier(public_keys(ALL_KEYS)).tenant_of(forged.decode()) is None
    assert verifier().tenant_of(forged.decode()) is None


def test_other_algorithms_of_a_known_key_are_not_taken() -> None:
    for algorithm in ("RS384", "RS512", "PS256"):
        assert verifier().tenant_of(jwt.encode(claims(), RSA, algorithm)) is None
    long_secret = SECRET * 2
    keys = secret_keys(long_secret)
    assert JwtVerifier(keys).tenant_of(jwt.encode(claims(), long_secret, "HS512")) is None


def test_a_token_of_another_signer_is_not_taken() -> None:
    others = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    assert verifier().tenant_of(jwt.encode(claims(), others, "RS256")) is None
    assert verifier().tenant_of(jwt.encode(claims(), SECRET + "!", "HS256")) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"exp": int(time.time()) - 3600},
        {"exp": "soon"},
        {"exp": None},
        {"exp": float("inf")},
        {"nbf": int(time.time()) + 86_400},
        {"tenant": ""},
        {"tenant": 7},
        {"tenant": None},
        {"tenant": "x" * 65},
        {"tenant": "ac\nme"},
        {"aud": "another service"},
        {"sub": 5},
    ],
)
def test_a_token_that_says_something_wrong_is_not_taken(wrong: dict[str, Any]) -> None:
    assert verifier().tenant_of(jwt.encode(claims(**wrong), SECRET, "HS256")) is None


@pytest.mark.parametrize("missing", ["exp", "tenant"])
def test_a_token_must_name_a_tenant_and_its_end(missing: str) -> None:
    claimed = claims()
    del claimed[missing]
    assert verifier().tenant_of(jwt.encode(claimed, SECRET, "HS256")) is None


def test_clocks_may_differ_by_the_leeway_and_not_more() -> None:
    late = jwt.encode(claims(exp=int(time.time()) - 5), SECRET, "HS256")
    assert verifier(leeway_s=30).tenant_of(late) == "acme"
    assert verifier(leeway_s=0).tenant_of(late) is None


def test_audience_and_issuer_must_be_ours_where_they_are_set() -> None:
    strict = verifier(audience="lingua", issuer="https://login.example.org")
    right = {"aud": ["other", "lingua"], "iss": "https://login.example.org"}
    assert strict.tenant_of(jwt.encode(claims(**right), SECRET, "HS256")) == "acme"
    for wrong in ({}, {"aud": "lingua"}, {**right, "aud": "other"}, {**right, "iss": "other"}):
        assert strict.tenant_of(jwt.encode(claims(**wrong), SECRET, "HS256")) is None


def test_several_secrets_are_valid_at_once() -> None:
    both = JwtVerifier(secret_keys("old secret\nnew secret\n"))
    for secret in ("old secret", "new secret"):
        assert both.tenant_of(mint(secret, "acme", timedelta(minutes=1), JwtRules())) == "acme"


def test_an_empty_secret_is_refused() -> None:
    for text in ("", " \n\n"):
        with pytest.raises(JwtKeyError):
            secret_keys(text)


def test_a_short_secret_works_and_is_known_as_such() -> None:
    keys = secret_keys("short")
    assert has_short_secret(keys)
    assert not has_short_secret(secret_keys(SECRET))
    token = mint("short", "acme", timedelta(minutes=1), JwtRules())
    assert JwtVerifier(keys).tenant_of(token) == "acme"


def test_a_key_id_chooses_among_keys_and_is_not_needed() -> None:
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    keys = public_keys(key_set(jwk(RSA, "RS256", kid="r"), jwk(other, "RS256", kid="o")))
    both = JwtVerifier(keys)
    assert both.tenant_of(jwt.encode(claims(), other, "RS256", headers={"kid": "o"})) == "acme"
    assert both.tenant_of(jwt.encode(claims(), other, "RS256")) == "acme"
    assert both.tenant_of(jwt.encode(claims(), other, "RS256", headers={"kid": "r"})) is None


def test_keys_for_something_else_are_left_out_of_a_set() -> None:
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505
    entries = [
        {"kty": "oct", "k": "c2VjcmV0"},
        jwk(CURVE, "ES256", use="enc"),
        jwk(RSA, "RS256", alg="RS512"),
        jwk(weak, "RS256"),
        {"kty": "EC", "crv": "P-521", "x": "A", "y": "A"},
    ]
    assert len(public_keys(key_set(*entries, jwk(EDWARDS, "EdDSA")))) == 1
    with pytest.raises(JwtKeyError):
        public_keys(key_set(*entries))


def test_a_set_with_private_keys_is_read_as_public_ones() -> None:
    private = jwt.get_algorithm_by_name("RS256").to_jwk(RSA, as_dict=True)
    assert "d" in private
    keys = public_keys(key_set(private))
    assert JwtVerifier(keys).tenant_of(jwt.encode(claims(), RSA, "RS256")) == "acme"


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"keys": 5}', '{"keys": ["x"]}'])
def test_what_is_no_key_set_is_said_so(text: str) -> None:
    with pytest.raises(JwtKeyError):
        public_keys(text)


def test_without_keys_no_token_is_taken() -> None:
    assert JwtVerifier().tenant_of(jwt.encode(claims(), SECRET, "HS256")) is None


@given(st.text(max_size=200) | st.from_regex(r"[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*"))
def test_whatever_somebody_makes_up_is_refused_and_raises_nothing(text: str) -> None:
    assert VERIFIER.tenant_of(text) is None


VERIFIER = verifier()


def test_a_header_nested_without_end_is_refused() -> None:
    deep = base64.urlsafe_b64encode(b"[" * 5000).decode().rstrip("=")
    assert VERIFIER.tenant_of(f"{deep}.e30.") is None
