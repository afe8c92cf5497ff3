"""The words by which rules know what a scene speaks in and what kind of moment it is, in English and Russian."""

import re
from collections.abc import Mapping, Sequence

from scenes.scene import Archetype, Register

COMMON = frozenset(
    "the and for are but not you all any can had her was one our out has have him his how its let may new now old see two "
    "way who did get say she too use that this with from they will would there their what about which when make like just "
    "know take into your some could them than then only come over also back after well even want because these give most "
    "что как это его она они был была было были для при или если уже ещё нет мне меня тебя вас нас вот так там тут где "
    "когда чтобы кто ему ней них под над без все всё тоже быть есть".split()
)
ASKING = frozenset(
    "is of in to at by on it my we me an as be do he if no or so up us am does where why whom whose "
    "кто где куда почему сколько какой какая какие каким какого каком чем чего чему чей чья кого кому на по о об из у за не ли "
    "же бы до от во со ко".split()
)
"""Words of questions that tell nothing of the answer, beside the common ones."""
REGISTERS: Mapping[Register, frozenset[str]] = {
    "logic": frozenset(
        "because therefore hence thus since implies means proves reason cause follows unless compare equals "
        "потому поэтому следовательно значит причина если иначе сравни доказывает".split()
    ),
    "emotion": frozenset(
        "afraid angry happy sad love hate fear hope worried glad sorry thanks please wonderful terrible feel "
        "боюсь рад рада люблю ненавижу страх надежда жаль спасибо пожалуйста чувствую тревожно".split()
    ),
    "archetype": frozenset(
        "always never everyone journey threshold mother father hero home death birth beginning end path "
        "всегда никогда каждый путь порог мать отец герой дом смерть рождение начало конец".split()
    ),
    "function": frozenset(
        "run install start stop open close send write read build deploy restart configure call return set create delete check fix "
        "запусти установи открой закрой отправь напиши прочитай собери настрой вызови верни создай удали проверь исправь".split()
    ),
}

_MOMENTS: Mapping[Archetype, str] = {
    "failure": r"\b(?:error|exception|failed|failure|traceback|refused|timed out)\b|\b(?:ошибка|сбой|не удалось)",
    "retry": r"\b(?:again|retry|once more|another try)\b|\b(?:снова|ещё раз|повтор)",
    "refusal": r"\b(?:cannot|can't|won't|unable|sorry, but)\b|\b(?:не могу|отказ)",
    "decision": r"\b(?:decided|we will|let's go with|agreed|choose)\b|\b(?:решили|решил|договорились|выбираем)",
    "change": r"\b(?:instead|changed|moved|from now on|no longer)\b|\b(?:вместо|теперь|изменил|больше не)",
    "request": r"\?|\b(?:please|could you|can you|need you to)\b|\b(?:пожалуйста|можешь|нужно)",
}
ARCHETYPES: Sequence[tuple[Archetype, re.Pattern[str]]] = [
    (name, re.compile(shape, re.IGNORECASE)) for name, shape in _MOMENTS.items()
]
"""The first that is found names the scene."""
FAILURE = ARCHETYPES[0][1]
FORBIDDING = re.compile(
    r"(?:^|[.,;:!?—–-]\s*|\b(?:and|but|so|please|then|just|always)\s+)(?:never|do not|don['’]t|no more)\b"
    r"|\b(?:must|may|shall|should) (?:not|never)\b|\bcannot be\b|\b(?:mustn|shouldn)['’]t\b"
    r"|\b(?:not|never) be\b|\bnot allowed\b|\bforbidden\b"
    r"|\b(?:нельзя|запрещено|запрещаю|никогда не|не надо|не нужно|не долж\w+|не смей\w*)\b"
    r"|(?:^|[.,;:!?—–-]\s*|\b(?:и|но|только|пожалуйста)\s+)не \w+(?:й|йте|ь|ьте|(?<!л)и|ите)\b",
    re.IGNORECASE,
)
"""What must not be done, unlike what is not so: *do not sell it*, and not *I do not know*."""
