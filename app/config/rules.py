"""Rules that join sections.

They read the document itself, not the validated settings, so that one mistake does not hide another.
"""

from collections.abc import Callable, Iterator

from app.config.databases import DATABASE
from app.config.document import Document
from app.config.faults import Fault, choice, printable, quoted
from app.config.schema import ALL_MODELS, Server, split_route
from app.config.values import is_host, is_loopback
from app.yaml_source import Path


def broken_rules(document: Document) -> Iterator[Fault]:
    """What does not fit together."""
    for rule in (
        _routes,
        _fallbacks,
        _targets,
        _shadows,
        _encoder,
        _aliases,
        _allowed_models,
        _limited_models,
        _key_ids,
        _key_hashes,
        _exposure,
        _any_page,
    ):
        yield from rule(document)


def _routes(document: Document) -> Iterator[Fault]:
    upstreams = document.members("upstreams")
    for alias, model in document.members("models").items():
        path: Path = ("models", alias, "upstream") if isinstance(model, dict) else ("models", alias)
        text = document.text(*path) or ""
        name, _, rest = (text, "", text) if isinstance(model, dict) else text.partition("/")
        if name and rest and name not in upstreams:
            subject, said = _subject(document, path, name)
            message = f"{subject} is not an upstream{choice(said, upstreams)}"
            yield document.fault(("models", alias, "upstream"), message)


def _fallbacks(document: Document) -> Iterator[Fault]:
    aliases, upstreams = document.members("models"), document.members("upstreams")
    for alias, model in aliases.items():
        if not isinstance(model, dict):
            continue
        for index, item in enumerate(document.items("models", alias, "fallbacks")):
            path: Path = ("models", alias, "fallbacks", index)
            if isinstance(item, dict):
                path = (*path, "to")
            name = document.text(*path) or ""
            upstream, rest = split_route(name)
            if name == alias:
                yield document.fault(path, "must be another model than the one that it stands in for")
            elif name and name not in aliases and not (rest and upstream in upstreams):
                subject, said = _subject(document, path, name)
                message = f"{subject} is neither a model nor upstream/model{choice(said, aliases)}"
                yield document.fault(path, message)


def _targets(document: Document) -> Iterator[Fault]:
    """Where splits, canaries and shadows go."""
    aliases, upstreams = document.members("models"), document.members("upstreams")
    for alias in aliases:
        splits = [("split", index) for index in range(len(document.items("models", alias, "split")))]
        for place in (*splits, ("canary",), ("shadow",)):
            path: Path = ("models", alias, *place, "to")
            name = document.text(*path)
            if not name:
                continue
            upstream, rest = split_route(name)
            if name == alias:
                yield document.fault(path, "must be another model than the one whose calls it gets")
            elif name not in aliases and not (rest and upstream in upstreams):
                subject, said = _subject(document, path, name)
                message = f"{subject} is neither a model nor upstream/model{choice(said, aliases)}"
                yield document.fault(path, message)
            elif any(document.at("models", name, member) for member in ("split", "canary")):
                yield document.fault(path, "must not be a model whose own calls are split")


def _shadows(document: Document) -> Iterator[Fault]:
    if document.members("store").get("url", DATABASE):
        return
    for alias in document.members("models"):
        if document.at("models", alias, "shadow"):
            message = "needs a database to write down what it finds: name one in store.url"
            yield document.fault(("models", alias, "shadow"), message)


def _encoder(document: Document) -> Iterator[Fault]:
    aliases, upstreams = document.members("models"), document.members("upstreams")
    for section in ("router", "scenes"):
        path: Path = (section, "encoder", "model")
        name = document.text(*path) or ""
        upstream, rest = split_route(name)
        if name and name not in aliases and not (rest and upstream in upstreams):
            subject, said = _subject(document, path, name)
            message = f"{subject} is neither a model nor upstream/model{choice(said, aliases)}"
            yield document.fault(path, message)


def _subject(document: Document, path: Path, name: str) -> tuple[str, str | None]:
    """A name as a message may say it, and as it may be compared."""
    return ("the value", None) if document.shown(path) is None else (quoted(name), name)


def _aliases(document: Document) -> Iterator[Fault]:
    upstreams = document.members("upstreams")
    for alias in document.members("models"):
        upstream, model = split_route(alias)
        if model and upstream in upstreams:
            message = f"must not begin with {quoted(upstream + '/')}: that form asks the upstream directly"
            yield document.fault(("models", alias), message, at_name=True)


def _allowed_models(document: Document) -> Iterator[Fault]:
    aliases, upstreams = document.members("models"), document.members("upstreams")
    for index in range(len(document.items("keys"))):
        for item in range(len(document.items("keys", index, "models"))):
            path: Path = ("keys", index, "models", item)
            name = document.text(*path) or ALL_MODELS
            upstream, model = split_route(name)
            if name in aliases or name == ALL_MODELS or (model and upstream in upstreams):
                continue
            subject, said = _subject(document, path, name)
            yield document.fault(
                path, f"{subject} is neither a model nor upstream/model{choice(said, aliases)}"
            )


def _limited_models(document: Document) -> Iterator[Fault]:
    known = [*document.members("models"), *(f"{name}/*" for name in document.members("upstreams"))]
    for index in range(len(document.items("limits", "rules"))):
        for item in range(len(document.items("limits", "rules", index, "models"))):
            path: Path = ("limits", "rules", index, "models", item)
            name = document.text(*path)
            if name is not None and name not in known:
                subject, said = _subject(document, path, name)
                yield document.fault(
                    path, f"{subject} is neither a model nor upstream/*{choice(said, known)}"
                )


def _key_ids(document: Document) -> Iterator[Fault]:
    return _repeated(document, "id", str, "another key has this id")


def _key_hashes(document: Document) -> Iterator[Fault]:
    return _repeated(document, "sha256", str.lower, "another key has this sha256: make one key for each id")


def _repeated(document: Document, member: str, same: Callable[[str], str], message: str) -> Iterator[Fault]:
    seen: set[str] = set()
    for index in range(len(document.items("keys"))):
        text = document.text("keys", index, member)
        if text is not None and same(text) in seen:
            yield document.fault(("keys", index, member), message)
        seen.add(same(text or ""))


def _exposure(document: Document) -> Iterator[Fault]:
    place: Path = ("server", "host")
    host = document.text(*place) or Server().host
    if is_loopback(host) or not is_host(host) or _may_have_keys(document):
        return
    shown = f" {printable(host)}" if document.shown(place) else ""
    message = (
        f"at least one key is needed because server.host{shown} is reachable from other machines; "
        "`hyperbridge keys new NAME` makes one (or name a database in store.url, and have keys there)"
    )
    yield document.fault(("keys",), message, near=place)


def _may_have_keys(document: Document) -> bool:
    """Whether there are keys in the file, or a database that may hold some: it is looked at when the gateway starts."""
    store = document.members("store")
    return bool(document.at("keys")) or bool(store.get("url", DATABASE))


def _any_page(document: Document) -> Iterator[Fault]:
    for index in range(len(document.items("server", "cors_origins"))):
        place: Path = ("server", "cors_origins", index)
        if document.text(*place) == "*" and not _may_have_keys(document):
            yield document.fault(
                place, "* needs at least one key: without keys every web page could use this gateway"
            )
