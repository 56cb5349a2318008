"""What settings about who gets in must be, beyond their types. Pure."""

from collections.abc import Iterator

from gateway.access.access import parts_of
from gateway.access.options import AccessOptions
from gateway.access.origins import is_loopback, is_origin, place_of
from gateway.access.proxies import is_network
from gateway.access.tokens import TokenError, named_tokens, plain_tokens
from gateway.options import GatewayOptions
from gateway.paths import is_prefix

_ROLES = ("clients", "nodes")


def contradictions(access: AccessOptions, gateway: GatewayOptions) -> Iterator[tuple[str, str]]:
    """Yield the settings whose value no type can judge, with what they must be."""
    for name, text in (
        ("node_tokens", access.node_tokens),
        ("client_tokens", access.client_tokens),
    ):
        if text is not None and not _is_list(text, is_named=True):
            yield name, "a list name:token,name:token without white space"
    if access.admin_token is not None and not _is_list(access.admin_token, is_named=False):
        yield "admin_token", "a token, or several separated by commas, without white space"
    if not all(map(is_origin, parts_of(access.allowed_origins))):
        yield "allowed_origins", "a list of origins such as https://app.example.org"
    if not all(map(_is_name, parts_of(access.allowed_hosts))):
        yield "allowed_hosts", "a list of names such as speech.example.org, without ports"
    if not all(map(is_network, parts_of(access.trusted_proxies))):
        yield "trusted_proxies", "a list of addresses or ranges such as 10.0.0.0/8"
    if not is_prefix(gateway.path_prefix):
        yield "path_prefix", "a path such as /lingua, without a slash at its end"
    anonymous = set(parts_of(gateway.allow_anonymous))
    if not anonymous.issubset(_ROLES):
        yield "allow_anonymous", "clients, nodes or clients,nodes"
    missing = [role for role in _ROLES if role not in anonymous | _with_tokens(access)]
    if missing and not is_loopback(gateway.host):
        yield "host", _public(missing)


def shuts_operators_out(access: AccessOptions, gateway: GatewayOptions) -> bool:
    """Tell whether nobody may see figures and reports: on a public address that needs a token."""
    has_token = bool(access.admin_token or access.admin_token_file)
    return not has_token and not is_loopback(gateway.host)


def _with_tokens(access: AccessOptions) -> set[str]:
    """Return the roles for which there are credentials."""
    clients = (
        *(access.client_tokens, access.client_tokens_file),
        *(access.jwt_secret, access.jwt_secret_file, access.jwks_file),
    )
    nodes = access.node_tokens, access.node_tokens_file, access.node_ca_file
    given = {"clients": any(clients), "nodes": any(nodes)}
    return {role for role, has_some in given.items() if has_some}


def _public(missing: list[str]) -> str:
    names = {
        "clients": "client_tokens, jwt_secret or jwks_file",
        "nodes": "node_tokens or node_ca_file",
    }
    settings = " and ".join(names[role] for role in missing)
    return (
        f"a loopback address, or allow_anonymous must name {' and '.join(missing)}, or there must "
        f"be {settings}: whoever reaches a public address could use this scheduler"
    )


def _is_list(text: str, *, is_named: bool) -> bool:
    try:
        return bool(named_tokens(text) if is_named else plain_tokens(text))
    except TokenError:
        return False


def _is_name(text: str) -> bool:
    place = place_of(text)
    return place is not None and place[1] is None
