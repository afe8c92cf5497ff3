"""The secrets of a configuration: what no log line may hold."""

from urllib.parse import unquote, urlsplit

from app.config.schema import Config
from app.config.upstreams import HTTP_KINDS, HttpSettings


def secrets_of(settings: Config) -> list[str]:
    """Every credential."""
    secrets = []
    for upstream in settings.upstreams.values():
        if isinstance(upstream, HttpSettings):
            secrets += [value.get_secret_value() for value in upstream.headers.values()]
        if isinstance(upstream, HTTP_KINDS) and upstream.api_key is not None:
            secrets.append(upstream.api_key.get_secret_value())
    for url in (settings.redis.url, settings.store.url):
        if url is not None:
            secrets += _passwords(url.get_secret_value())
    return secrets


def _passwords(url: str) -> list[str]:
    """A URL's password, as it is written there and as it is."""
    written = urlsplit(url).password or ""
    return [written, unquote(written)]
