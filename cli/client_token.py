"""The command `token`: a short-lived token for a page, signed with the scheduler's own secret."""

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import timedelta

from cli.parser import OneLineParser
from cli.settings.error import SettingsError
from cli.settings.settings import CONFIG_VARIABLE, Settings
from gateway.access.credentials import CredentialsError, signing_secret
from gateway.access.jwt_verifier import JwtRules, mint

_MOST_MINUTES = 365 * 24 * 60


def main(argv: Sequence[str]) -> int:
    """Print a token on standard output; return the exit status."""
    arguments = _parse(argv)
    options = Settings.load({}, arguments.config).access
    try:
        secret = signing_secret(options)
    except CredentialsError as error:
        raise SettingsError(str(error)) from error
    if secret is None:
        raise SettingsError("there is no secret to sign with: set LINGUA_JWT_SECRET or …_FILE")
    rules = JwtRules(options.jwt_audience, options.jwt_issuer)
    token = mint(secret, arguments.tenant, timedelta(minutes=arguments.minutes), rules)
    if arguments.json:
        shown = {"token": token, "tenant": arguments.tenant, "minutes": arguments.minutes}
        token = json.dumps(shown, ensure_ascii=False)
    sys.stdout.write(f"{token}\n")
    return 0


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = OneLineParser(
        "token",
        description="Print a JWT with which a tenant's page may open sessions for a while. "
        "The secret is LINGUA_JWT_SECRET or stands in LINGUA_JWT_SECRET_FILE.",
    )
    parser.add_argument("--tenant", required=True, metavar="NAME", help="whose sessions these are")
    parser.add_argument(
        "--minutes", type=_minutes, default=10.0, metavar="N", help="how long it is valid [10]"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of the token alone")
    parser.add_argument(
        "--config",
        metavar="FILE",
        help=f"TOML file with settings ({CONFIG_VARIABLE} in the environment)",
    )
    return parser.parse_args(argv)


def _minutes(text: str) -> float:
    minutes = float(text)
    if not 0 < minutes <= _MOST_MINUTES:
        raise argparse.ArgumentTypeError(f"more than 0 and at most {_MOST_MINUTES}")
    return minutes
