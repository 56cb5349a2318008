"""Who gets in, as settings and files say it now: read at the start, and again when files change.

Owns the files of credentials and certificate for the process. It must not judge requests: the
gateway's `Access` does, with what it is given here.
"""

from collections.abc import Iterator

from cli.settings.error import SettingsError
from cli.settings.settings import Settings
from gateway.access.access import Access, Door
from gateway.access.credentials import Credentials, CredentialsError, watched_files
from gateway.access.tls import (
    TlsError,
    ask_for_certificates,
    load_certificate,
    tls_context,
    tls_files,
)
from gateway.access.watched_files import WatchedFiles


def has_files(settings: Settings) -> bool:
    """Tell whether there is anything that may be read again."""
    return bool(watched_files(settings.access) or tls_files(settings.access))


class LiveAccess:
    """Life: made, `start`ed, `close`d.

    Raises:
        SettingsError: A file is missing, or what stands in it cannot be used.
    """

    def __init__(self, settings: Settings) -> None:
        self._options = options = settings.access
        self._files = (  # before they are read: what changes meanwhile is seen
            WatchedFiles(watched_files(options), self._renew),
            WatchedFiles(tls_files(options), self._load_certificate, "certificate"),
        )
        try:
            credentials = Credentials.read(options)
            self.tls = tls_context(options)
            """None: the port speaks no TLS."""
        except (CredentialsError, TlsError) as error:
            raise SettingsError(str(error)) from None
        self._has_short_secret = credentials.has_short_secret
        gateway = settings.gateway
        self.access = Access(options, gateway.host, gateway.allow_anonymous, credentials)

    def start(self) -> None:
        """Watch the files from now on."""
        for files in self._files:
            files.start()

    def close(self) -> None:
        """Watch them no more."""
        for files in self._files:
            files.close()

    def look(self) -> None:
        """Read again what has changed."""
        for files in self._files:
            files.look()

    def reload(self) -> None:
        """Read everything again, changed or not."""
        for files in self._files:
            files.reload()

    def warnings(self) -> Iterator[str]:
        """Yield what whoever starts the process should know."""
        if self.access.is_shut(Door.OPERATOR):
            yield "/metrics, /api/v1 and /dashboard are shut: on a public address they need a token"
        if self._has_short_secret:
            yield "the secret for JWTs has less than 32 bytes: it could be guessed"

    def _renew(self) -> None:
        self.access.renew(Credentials.read(self._options))

    def _load_certificate(self) -> None:
        if self.tls is not None:
            load_certificate(self.tls, self._options)
            ask_for_certificates(self.tls, self._options)
