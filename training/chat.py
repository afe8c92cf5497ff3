"""How messages become the text that a model reads: by the template of its tokenizer.

The forge's own models use ChatML, as Qwen does; others bring their own template.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from training.corpus.document import Message
from training.wrong import Wrong

BEGINS, ENDS, PAD = "<|im_start|>", "<|im_end|>", "<|endoftext|>"
TEMPLATE = (
    "{% for message in messages %}"
    f"{BEGINS}{{{{ message['role'] }}}}\n{{{{ message['content'] }}}}{ENDS}\n"
    "{% endfor %}"
    f"{{% if add_generation_prompt %}}{BEGINS}assistant\n{{% endif %}}"
)


@dataclass(frozen=True, slots=True)
class Exchange:
    """What a model reads, and what it shall answer, with the mark that ends an answer."""

    prompt: str
    answer: str


def segments(messages: Sequence[Message]) -> Iterator[tuple[str, bool]]:
    """A dialogue in ChatML in parts; an answer with its end is a part of its own."""
    for message in messages:
        yield f"{BEGINS}{message.role}\n", False
        yield f"{message.content}{ENDS}", message.role == "assistant"
        yield "\n", False


class Template:
    """The template of a tokenizer."""

    def __init__(self, tokenizer: Any) -> None:
        """Raises Wrong where it has none."""
        if not getattr(tokenizer, "chat_template", None):
            raise Wrong("the base has no chat template: dialogues cannot be shown to it")
        self._tokenizer = tokenizer
        self.end = self._ending()

    def exchange(self, messages: Sequence[Message]) -> Exchange:
        """The last message is the answer."""
        return Exchange(self._shown(messages[:-1]), messages[-1].content + self.end)

    def _shown(self, messages: Sequence[Message]) -> str:
        said = [{"role": message.role, "content": message.content} for message in messages]
        text: str = self._tokenizer.apply_chat_template(said, tokenize=False, add_generation_prompt=True)
        return text

    def _ending(self) -> str:
        """What stands behind an answer: what the template adds to it, up to the mark that ends it."""
        said = [{"role": "user", "content": "1"}, {"role": "assistant", "content": "2"}]
        whole: str = self._tokenizer.apply_chat_template(said, tokenize=False)
        behind = whole.rpartition("2")[2]
        return behind.rstrip("\n") or str(self._tokenizer.eos_token or "")
