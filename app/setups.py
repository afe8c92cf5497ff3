"""From a configuration to a setup."""

import secrets
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from adapters import building
from app import config
from app.attempts import Upstreams
from app.backoff import RetryBudget
from app.bounds import Bounds
from app.codebooks import Codebooks, Epochs, Worth
from app.codecs.hyper import Hyper
from app.codecs.meanings import Unmeaning, opened
from app.codecs.memo import Memo
from app.codecs.methods import Methods
from app.codecs.scenes import Scenes
from app.codecs.vocabularies import Unreadable, Vocabularies, found_in
from app.config.codebooks import CODEBOOKS
from app.config.hypertokens import HYPERTOKENS
from app.contracts import Limiter
from app.conversations import Conversations
from app.embedding import Embedding
from app.encoder import Encoder, plan_of
from app.encoding import Encoding, Threads
from app.exchange import Exchange, Shadowed
from app.hedging import Hedges
from app.journal import Reader
from app.limits import opening
from app.limits.limited import Limited
from app.loras.shared import Held, Shared
from app.metrics import Metrics
from app.outlook import Heard
from app.prices import Prices, prices
from app.prompt_hash import PromptHash
from app.rehearsal import Measuring, Rehearsal
from app.remembers import Remembers
from app.routing.building import router
from app.routing.configured import SCENES_ENCODER
from app.routing.listed import NOTHING, Listed
from app.routing.router import Router
from app.scene_vectors import Asked, Local, Vectors
from app.setup import Setup
from app.speeds import Speeds
from app.warming import Warming
from scenes.meaning import Meaning
from scenes.remembering import Plan, Remembering


def _nothing() -> Listed:
    return NOTHING


class Setups:
    """Makes setups, one after the other, with what stays the same behind all of them: counters, and what is
    remembered of upstreams and conversations.

    `speeds` and `conversations` read the records of calls.
    """

    def __init__(  # noqa: PLR0913 - what stays the same
        self,
        counters: opening.Opening,
        metrics: Metrics,
        hash_key: str = "",
        limiter: Limiter | None = None,
        *,
        shared: Shared | None = None,
        listed: Callable[[], Listed] = _nothing,
        shadowed: Shadowed,
        encoded: Sequence[Reader] = (),
        remembering: Remembers | None = None,
    ) -> None:
        """`limiter` stands in the place of the configured one, `listed` tells what the upstreams listed last, `shadowed`
        gets the calls that have a shadow, `encoded` read the records of what the router's encoder was asked. `remembering`
        is what calls may have recalled from, and be remembered by; `shared` is where it is written down what fleets shall have.
        """
        self._counters = counters
        self._metrics = metrics
        self._hash_key = hash_key
        self._common = building.Common(
            counters.budgets, shared or Held(), hash_key.encode() or secrets.token_bytes(32)
        )
        self._limiter = limiter
        self._budgets: defaultdict[str, RetryBudget] = defaultdict(RetryBudget)
        self._hedges = Hedges()
        self._listed = listed
        self._shadowed = shadowed
        self._encoded = encoded
        self._remembering = remembering or Remembers.nothing()
        self._memo = Memo()
        self._threads = Threads()
        self._epochs = Epochs()
        self.speeds = Speeds()
        self.conversations = Conversations()

    def of(self, settings: config.Config, before: Setup | None = None) -> Setup:
        """The setup of this configuration; an upstream that is as it was before is the same one.

        Raises CannotStart, ConfigError and ValueError where a file that the configuration names cannot be used.
        """
        costs = prices(settings)
        kept = {} if before is None else building.kept(settings, before.sources)
        sources = building.sources(settings, self._common, kept)
        heard = Heard(sources, costs, self._listed, self.speeds)
        canaries = {} if before is None else before.routing.canaries
        routing = router(settings, self._listed, heard, self.conversations.kept, canaries)
        vocabularies = Vocabularies(_files(settings.scenes))
        named = CODEBOOKS.all(settings.scenes.codebooks)
        books = Codebooks(named, Worth(vocabularies, costs, settings.scenes.expected_turns), self._epochs)
        encoding = self._encoding(settings.scenes, vocabularies, books)
        upstreams = Upstreams(sources, encoding, self._budgets, self._hedges)
        embedding = self._embedding(settings, routing, upstreams, costs)
        vectors = self._vectors(settings, upstreams, costs)
        exchange = Exchange(
            self._limiter or self._limited(settings, costs),
            routing,
            costs,
            upstreams,
            self._shadowed,
            warming=Warming(routing),
            embedding=embedding,
            recalls=self._remembering.recalls(settings.scenes, vectors),
            noted=self._remembering.noted(settings.scenes, vectors),
        )
        hashing = PromptHash(self._hash_key, enabled=settings.logs.prompt_hash)
        bounds = _bounds(settings)
        measuring = Measuring.of(settings.scenes, vocabularies)
        rehearsal = Rehearsal(exchange, bounds, encoding, measuring, named.values())
        return Setup(settings, exchange, routing, costs, sources, bounds, hashing, rehearsal, vectors)

    def _encoding(self, settings: config.Scenes, vocabularies: Vocabularies, books: Codebooks) -> Encoding:
        """The codec. What is remembered of prompts holds for every configuration: its keys say how they were encoded."""
        self._memo.most_bytes = settings.memo_bytes
        scenes = Scenes(Methods(settings, vocabularies).of, self._memo)
        memory = settings.memory
        plan = Plan(memory.keep_tokens, memory.step_tokens, memory.recall_tokens)
        meaning = self._meaning(settings)
        remembering = Remembering(plan, meaning=meaning)
        return Encoding(
            scenes,
            settings,
            remembering,
            self._threads,
            self._metrics.scenes,
            vocabularies=vocabularies,
            books=books,
            meaning=meaning,
            hyper=Hyper(HYPERTOKENS.all(settings.hypertokens)),
        )

    def _meaning(self, settings: config.Scenes) -> Meaning | None:
        """Raises ValueError, which names the setting."""
        if settings.vectors is None:
            return None
        try:
            return opened(settings.vectors)
        except Unmeaning as fault:
            raise ValueError(f"scenes.vectors: {fault}") from None

    def _vectors(self, settings: config.Config, upstreams: Upstreams, costs: Prices) -> Vectors | None:
        """What the memory's vectors are made by."""
        wanted = settings.scenes.encoder
        if wanted is not None:
            plan = plan_of(wanted.model, settings, upstreams, SCENES_ENCODER)
            encoder = Encoder(plan, wanted.dimensions, upstreams, costs, self._encoded)
            return Asked(wanted.model, encoder, wanted.timeout_seconds)
        meaning = self._meaning(settings.scenes)
        return None if meaning is None else Local(meaning)

    def _embedding(
        self, settings: config.Config, routing: Router, upstreams: Upstreams, costs: Prices
    ) -> Embedding | None:
        wanted = settings.router.encoder
        if wanted is None:
            return None
        plan = plan_of(wanted.model, settings, upstreams)
        encoder = Encoder(plan, wanted.dimensions, upstreams, costs, self._encoded)
        return Embedding(routing.question, encoder, routing.dimensions, wanted.timeout_seconds)

    def _limited(self, settings: config.Config, costs: Prices) -> Limited:
        return Limited(
            opening.rules(settings),
            self._counters.limits,
            settings.limits.output_tokens,
            costs.cost,
            self._metrics.refused,
        )


def _files(settings: config.Scenes) -> Mapping[str, Path]:
    """The files of vocabularies, by family. Raises ValueError, which names the setting."""
    try:
        return {} if settings.tokenizers is None else found_in(settings.tokenizers)
    except Unreadable as fault:
        raise ValueError(f"scenes.tokenizers: {fault}") from None


def _bounds(settings: config.Config) -> Bounds:
    server = settings.server
    of_models = {
        alias: model.max_prompt_tokens
        for alias, model in settings.models.items()
        if model.max_prompt_tokens is not None
    }
    return Bounds(server.max_depth, server.max_messages, server.max_prompt_tokens, of_models)
