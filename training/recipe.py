"""The recipe of a run: a YAML file that says what each step does. Paths in it are relative to the file."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from training.wrong import Wrong

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
Share = Annotated[float, Field(gt=0, le=1)]
Positive = Annotated[int, Field(ge=1)]
Rate = Annotated[float, Field(gt=0, lt=1)]


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class DeskSource(Settings):
    """Made-up documents about a trading desk."""

    desk: Positive = Field(description="how many documents")
    languages: Sequence[Literal["en", "ru"]] = Field(default=("en", "ru"), min_length=1)


class FileSource(Settings):
    """Files of one kind."""

    path: str = Field(description="a file, or a pattern such as books/*.txt")
    format: Literal["auto", "text", "markdown", "book", "chat", "jsonl"] = Field(
        default="auto", description="auto goes by the file's ending"
    )
    language: str = Field(default="", description="ISO 639-1; empty is looked for in the text")
    licence: str = Field(default="unknown", description="as SPDX writes it")
    task: str = Field(default="", description="the adapter that learns from its dialogues")

    def paths(self) -> Sequence[Path]:
        pattern = Path(self.path)
        root = Path(pattern.anchor or ".")
        found = sorted(each for each in root.glob(str(pattern.relative_to(pattern.anchor))) if each.is_file())
        if not found:
            raise Wrong(f"corpus.sources: no file is {self.path}")
        return found


class Corpus(Settings):
    """Where documents come from."""

    sources: Sequence[DeskSource | FileSource] = Field(min_length=1)
    licences: Sequence[str] = Field(default=(), description="only documents under these; empty is any")
    languages: Sequence[str] = Field(default=(), description="only documents in these; empty is any")
    held_out: Annotated[float, Field(gt=0, lt=0.9)] = Field(
        default=0.1, description="share of groups that only the evaluation sees"
    )


class ByModel(Settings):
    """A model that reads scenes out of texts, asked through the gateway."""

    url: str = Field(default="http://127.0.0.1:8000/v1", description="the gateway")
    model: str
    key: str = Field(
        default="HYPERBRIDGE_API_KEY", description="the variable of the environment that has the key"
    )
    attempts: Annotated[int, Field(ge=1, le=10)] = 3


class Scenes(Settings):
    """How texts become scenes."""

    by: Literal["script", "model", "hand"] = "script"
    model: ByModel | None = None
    sheet: Path | None = Field(
        default=None, description="the spreadsheet (CSV) that people filled in, for `hand`"
    )
    vectors: Path | None = Field(
        default=None, description="the folder of `make vectors`; without it scenes have no vector"
    )
    engine: Literal["local", "ray"] = "local"
    most: Positive = Field(default=100_000, description="documents that are read")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.by == "model" and self.model is None:
            raise ValueError("`by: model` needs `model: {url: ..., model: ...}`")
        if self.by == "hand" and self.sheet is None:
            raise ValueError(
                "`by: hand` needs `sheet: FILE.csv`; `python -m training sheet` writes one to fill in"
            )
        return self


class Choice(Settings):
    """Which texts become tokens."""

    count: Positive = Field(default=48, description="how many tokens, at most")
    least_tokens: Annotated[int, Field(ge=2)] = Field(default=4, description="a text is this long, at least")
    least_uses: Annotated[int, Field(ge=2)] = Field(default=3, description="and comes so often, at least")
    longest: Positive = Field(default=4, description="sentences in a row that may be one token")


class Shape(Settings):
    """A Qwen3 model to be made from nothing."""

    hidden: Positive = 128
    layers: Positive = 4
    heads: Positive = 4
    kv_heads: Positive = 2
    head: Positive = 32
    feed_forward: Positive = 384
    vocabulary: Annotated[int, Field(ge=300)] = 1984
    free_rows: Annotated[int, Field(ge=1)] = 64
    context_tokens: Positive = 1024


class Pretraining(Settings):
    """How it is taught."""

    shape: Shape = Shape()
    steps: Positive = 1200
    batch_tokens: Positive = 4096
    rate: Rate = 0.02
    embedding_rate: Rate = 0.01
    checkpoint_every: Positive = 200


class Base(Settings):
    """The model that learns: a checkpoint's folder, or one made from nothing."""

    folder: Path | None = None
    made: Pretraining | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.folder is None) == (self.made is None):
            raise ValueError("either `folder` or `made` must be given")
        return self


class Tokens(Settings):
    id: Name = "book"
    version: Positive = 1
    resize: bool = Field(
        default=False, description="make more rows where the base has too few that no token has"
    )


class Lora(Settings):
    """The shape of an adapter, in PEFT's words."""

    r: Annotated[int, Field(ge=1, le=512)] = 16
    alpha: Annotated[float, Field(gt=0)] = 32
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    target_modules: Sequence[str] = Field(default=("q_proj", "k_proj", "v_proj", "o_proj"), min_length=1)
    rslora: bool = False


class Adapter(Settings):
    """One adapter, which learns from the dialogues of its task."""

    task: str = Field(default="", description="its dialogues; empty is the adapter's name")
    register_: str = Field(
        default="", alias="register", description="the register it speaks in, for its card"
    )


Mode = Literal["context", "bridge", "output"]


class Distilling(Settings):
    """How rows and adapters learn from the base that reads the text."""

    mode: Mode = "context"
    adapters: Mapping[Name, Adapter] = Field(min_length=1)
    lora: Lora = Lora()
    rows: Literal["trained", "frozen"] = "trained"
    quantised: Literal["no", "nf4", "int8"] = Field(
        default="no", description="QLoRA: the base's weights, by bitsandbytes"
    )
    bf16: bool = False
    steps: Positive = 600
    batch: Positive = 16
    rate: Rate = 3e-3
    row_rate: Rate = 2e-2
    examples: Positive = Field(default=4000, description="dialogues for each adapter, at most")
    top: Positive = Field(
        default=64, description="of the teacher's likeliest tokens are kept; the rest counts as one"
    )
    kl: Annotated[float, Field(ge=0)] = 1.0
    next_token: Annotated[float, Field(ge=0)] = 0.2
    reconstruction: Annotated[float, Field(ge=0)] = Field(
        default=0.0, description="weight of: a row tells which scene it is"
    )
    fields: Annotated[float, Field(ge=0)] = Field(
        default=0.0, description="weight of: rows tell the register of their scene"
    )
    other_talk: Annotated[float, Field(ge=0, lt=1)] = Field(
        default=0.1, description="share of dialogues without a task, which stay as they are"
    )
    patience: Positive = Field(default=5, description="validations without gain after which it ends")
    validate_every: Positive = 50
    checkpoint_every: Positive = 50


class Evaluation(Settings):
    """What must hold before anything is published."""

    exchanges: Positive = Field(default=200, description="held-out dialogues for each adapter")
    answer_tokens: Positive = 96
    least_hypertokens: Annotated[int, Field(ge=0)] = Field(
        default=0, description="in a prompt, of the exchanges that are looked at"
    )
    least_retention: Annotated[float, Field(ge=0)] = Field(
        default=0.9, description="exact answers, as a share of the text teacher's"
    )
    most_kl: Annotated[float, Field(gt=0)] = 0.02
    least_shorter: Annotated[float, Field(gt=0)] = Field(
        default=1.0, description="tokens of the teacher's prompts over the student's"
    )
    least_numbers: Share | None = Field(default=None, description="share of answers with every number right")


class Publishing(Settings):
    """What comes out."""

    gguf: bool = True
    gguf_weights: Literal["f16", "q8_0", "q4_0"] = Field(
        default="f16", description="matrices in 16, 8 or 4 bits, for small machines; evaluate what you serve"
    )
    dtype: Literal["float32", "bfloat16", "float16"] = Field(
        default="float32", description="of the base's weights"
    )
    one_hot: bool = Field(
        default=False, description="also adapters that bring their own rows, for a base without them"
    )


class Recipe(Settings):
    """All steps of one run."""

    name: Name
    seed: int = 1
    corpus: Corpus
    scenes: Scenes = Scenes()
    choice: Choice = Choice()
    base: Base
    tokens: Tokens = Tokens()
    training: Distilling
    evaluation: Evaluation = Evaluation()
    publishing: Publishing = Publishing()


def read(path: Path) -> Recipe:
    """Raises Wrong, naming each setting that is wrong."""
    try:
        document: Any = yaml.safe_load(path.read_text("utf-8"))
    except OSError as fault:
        raise Wrong(f"{path} cannot be read: {fault.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as fault:
        raise Wrong(f"{path} is no YAML: {fault}") from None
    try:
        return _beside(Recipe.model_validate(document), path.parent)
    except ValidationError as fault:
        lines = (f"{'.'.join(map(str, each['loc'])) or 'recipe'}: {each['msg']}" for each in fault.errors())
        raise Wrong(f"{path}:\n  " + "\n  ".join(lines)) from None


def _beside(recipe: Recipe, folder: Path) -> Recipe:
    """The recipe with its paths made whole."""
    sources = [
        source.model_copy(update={"path": str(folder / source.path)})
        if isinstance(source, FileSource)
        else source
        for source in recipe.corpus.sources
    ]
    scenes = recipe.scenes.model_copy(
        update={
            name: folder / path
            for name in ("sheet", "vectors")
            if (path := getattr(recipe.scenes, name)) is not None
        }
    )
    base = (
        recipe.base
        if recipe.base.folder is None
        else recipe.base.model_copy(update={"folder": folder / recipe.base.folder})
    )
    return recipe.model_copy(
        update={
            "corpus": recipe.corpus.model_copy(update={"sources": sources}),
            "scenes": scenes,
            "base": base,
        }
    )
