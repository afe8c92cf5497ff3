"""The demo's sentences, in English and in Russian."""
# ruff: noqa: RUF001 - Russian is written in Cyrillic letters

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Phrases:
    """What can be said in one language; braces are filled in.

    `hints` say how to reach a real model, one for each choice of a request; `thoughts` follow on each other.
    """

    who: str
    wrote: str
    wordless: str
    attached: str
    result: str
    worked_out: str
    hints: Sequence[str]
    thoughts: Sequence[str]


ENGLISH = Phrases(
    who="This is HyperBridge's offline demo upstream: the gateway works, but no language model is behind it.",
    wrote='You wrote {words} {words_noun} ({tokens} {tokens_noun}): "{quote}".',
    wordless="Your message has no text.",
    attached="With it came {things}; the demo takes them, but cannot look at them.",
    result='The tool answered: "{quote}".',
    worked_out="{expression} = {value}. HyperBridge's offline demo upstream computed this without a language model.",
    hints=(
        (
            "For real answers, edit hyperbridge.yaml: add an upstream with its address and key (Nebius Token"
            " Factory, or a vLLM server of your own) and a model that leads to it. Then ask for that model."
        ),
        (
            "To talk to a real model, name one in hyperbridge.yaml together with the upstream that serves it,"
            " restart the gateway, and send this same request with that model's name."
        ),
        (
            "A real model is one edit away: hyperbridge.yaml says which upstreams there are and which model"
            " goes where. Your client keeps its base URL; only the model's name changes."
        ),
    ),
    thoughts=(
        "The message has {words} {words_noun}, and I am only a demo.",
        "I cannot infer anything from it, since no language model is here.",
        "So I will say what I am, repeat what I was told, and explain how to connect a real model.",
    ),
)

RUSSIAN = Phrases(
    who="Это встроенный демонстрационный ответчик HyperBridge: шлюз работает, но языковой модели за ним нет.",
    wrote="Слов в вашем сообщении: {words}, токенов: {tokens}. Вот его текст: «{quote}».",
    wordless="В вашем сообщении нет текста.",
    attached="К нему приложено: {things}; демо это принимает, но рассмотреть не может.",
    result="Инструмент ответил: «{quote}».",
    worked_out="{expression} = {value}. Это посчитал демонстрационный ответчик HyperBridge, без языковой модели.",
    hints=(
        (
            "Чтобы получать настоящие ответы, откройте hyperbridge.yaml: добавьте upstream с адресом и ключом"
            " (Nebius Token Factory или свой сервер vLLM) и модель, которая на него ведёт. Затем укажите её"
            " имя в запросе."
        ),
        (
            "Чтобы говорить с настоящей моделью, назовите её в hyperbridge.yaml вместе с upstream, который её"
            " обслуживает, перезапустите шлюз и повторите запрос с её именем."
        ),
        (
            "До настоящей модели одна правка: в hyperbridge.yaml записано, какие есть upstream и какая модель"
            " куда ведёт. Адрес шлюза у клиента не меняется, меняется только имя модели."
        ),
    ),
    thoughts=(
        "Слов в сообщении: {words}, а я только демо.",
        "Вывести из них ничего нельзя: языковой модели здесь нет.",
        "Поэтому скажу, кто я, повторю сказанное и объясню, как подключить настоящую модель.",
    ),
)
