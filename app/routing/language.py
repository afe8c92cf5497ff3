"""Which language a text is in: by its script, and among those of the Latin one by its commonest words. Pure."""

import re
from collections import Counter
from collections.abc import Mapping

_LOOKED_AT = 2000
"""Characters: a language shows early."""

_SCRIPTS: Mapping[str, re.Pattern[str]] = {
    "ja": re.compile("[\u3040-\u30ff]"),  # before Chinese, whose characters Japanese uses as well
    "zh": re.compile("[\u4e00-\u9fff]"),
    "ko": re.compile("[\uac00-\ud7af]"),
    "uk": re.compile(
        "[\u0404\u0406\u0407\u0454\u0456\u0457\u0490\u0491]"
    ),  # before Russian, whose letters Ukrainian uses as well
    "ru": re.compile("[\u0400-\u04ff]"),
    "ar": re.compile("[\u0600-\u06ff]"),
    "he": re.compile("[\u0590-\u05ff]"),
    "el": re.compile("[\u0370-\u03ff]"),
    "hi": re.compile("[\u0900-\u097f]"),
    "th": re.compile("[\u0e00-\u0e7f]"),
}
_WORD = re.compile(r"[^\W\d_]+")
_LEAST_SHARE = 0.15
"""Of the letters: text about code or markets is full of Latin names in any script."""

_COMMON: Mapping[str, str] = {
    "en": "the of and to is in that it for you what how with are this be on can me my",
    "de": "der die das und ist nicht ein eine mit für auf wie was ich es zu den dem von sich",
    "fr": "le la les des et est une dans que pour qui sur avec pas je vous comment du au ce",
    "es": "el la los las de que es una en por con para cómo qué un se del mi como más",
    "it": "il lo gli di che è una per con non sono come cosa un si della mi del più nel",
    "pt": "o os as que é uma em por com para como não um se do da mais meu qual você",
    "pl": "i w na z że to jest się nie jak co do dla czy po od mi przez są ten",
    "nl": "de het een en van is dat niet wat hoe ik je op voor met zijn te in er aan",
    "tr": "ve bir bu için ne ile mi de da çok daha var gibi olarak ben en kadar o",
}
_WORDS = {code: frozenset(words.split()) for code, words in _COMMON.items()}


def language(text: str) -> str:
    """Two letters (ISO 639-1); "" where there is too little to tell."""
    head = text[:_LOOKED_AT]
    words = _WORD.findall(head)
    if not words:
        return ""
    if not head.isascii():
        letters = "".join(words)
        for code, script in _SCRIPTS.items():
            least = len(letters) * (_LEAST_SHARE if code not in {"ja", "uk"} else _LEAST_SHARE / 5)
            if len(script.findall(letters)) > least:
                return code
    found = Counter(map(str.casefold, words))
    hits = {code: sum(map(found.__getitem__, common)) for code, common in _WORDS.items()}
    best = max(hits, key=lambda code: hits[code])
    return best if hits[best] else "en" if head.isascii() else ""
