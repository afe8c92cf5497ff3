"""`hyperbridge train`, `python -m training`: the forge's commands."""

import argparse
import json
import logging
import os
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.loras.unusable import Unusable
from training.progress import Progress
from training.recipe import Recipe, read
from training.run import STEPS, run_of
from training.wrong import Wrong

ABOUT: Mapping[str, str] = {
    "corpus": "read the documents",
    "scenes": "make scenes of them",
    "base": "take the base, or make one from nothing",
    "choice": "choose the texts that become tokens",
    "hypertokens": "put them into a copy of the base",
    "lora": "teach the tokens and the adapters",
    "evaluate": "measure them beside the text teacher",
    "publish": "write what is served",
}


def main() -> int:
    """Ends with 1 and one line where something cannot be used."""
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # which misses kernels that few have
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")
    options = _parser().parse_args()
    try:
        options.do(options)
    except (Unusable, Wrong) as fault:
        print(fault, file=sys.stderr)
        return 1
    except ModuleNotFoundError as fault:
        print(f"the forge needs {fault.name}: pip install 'hyperbridge[train]'", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped; the same command goes on from here", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    asked = argparse.ArgumentParser(
        prog="hyperbridge train",
        description="Makes hypertokens and adapters that speak them: corpus, scenes, base, choice, hypertokens, lora, evaluate, publish. "
        "Each step leaves a folder with a manifest; what is done is not done again, and what was stopped goes on.",
    )
    commands = asked.add_subparsers(required=True, metavar="COMMAND")
    whole = commands.add_parser("run", help="make all steps of a recipe")
    _common(whole)
    whole.add_argument("--to", choices=STEPS, dest="last", help="stop behind this step")
    whole.set_defaults(do=_run, only=None)
    for name in STEPS:
        one = commands.add_parser(name, help=f"{ABOUT[name]} (one step of a recipe)")
        _common(one)
        one.set_defaults(do=_run, only=name, last=None)
        if name == "publish":
            _add_registering(one)
    _add_tools(commands)
    return asked


def _common(command: argparse.ArgumentParser) -> None:
    command.add_argument("recipe", type=Path, help="the recipe (YAML)")
    command.add_argument(
        "--run", type=Path, metavar="FOLDER", help="where the steps' folders are (runs/NAME)"
    )
    command.add_argument("--dry-run", action="store_true", help="only say what would be done")
    command.add_argument("--quiet", action="store_true", help="no progress bars")


def _add_registering(publish: argparse.ArgumentParser) -> None:
    publish.add_argument(
        "--to",
        choices=("local",),
        help="put it into a gateway's configuration, run by llama.cpp in its process",
    )
    publish.add_argument(
        "--config", type=Path, default=Path("hyperbridge.yaml"), help="that configuration (hyperbridge.yaml)"
    )
    publish.add_argument(
        "--into", type=Path, metavar="FOLDER", help="copy what is published there, in place of what is there"
    )
    publish.add_argument(
        "--as", dest="name", metavar="NAME", help="what the gateway calls it (the recipe's name)"
    )


def _add_tools(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    sheet = commands.add_parser(
        "sheet", help="write a spreadsheet in which people mark scenes, for `scenes.by: hand`"
    )
    _common(sheet)
    sheet.add_argument("--out", type=Path, required=True, metavar="FILE.csv", help="must not be there")
    sheet.set_defaults(do=_sheet)
    put = commands.add_parser(
        "put",
        help="put texts as tokens into a model, without a recipe",
        description="Writes a copy of a Hugging Face model to another folder, in which each text is one token, and hypertokens.json "
        "beside it, which `scenes.hypertokens` of the gateway names. The rows are beginnings: train them.",
    )
    put.add_argument("--base", type=Path, required=True, metavar="FOLDER", help="the checkpoint")
    put.add_argument(
        "--texts", type=Path, required=True, metavar="FILE.jsonl", help='a line is {"phrase": "..."}'
    )
    put.add_argument(
        "--out", type=Path, required=True, metavar="FOLDER", help="where the copy goes; must not be there"
    )
    put.add_argument("--id", default="book", help="the book's name (book)")
    put.add_argument(
        "--resize", action="store_true", help="make more rows where the base has too few that no token has"
    )
    put.set_defaults(do=_put)
    lint = commands.add_parser(
        "lint", help="say what vLLM would refuse in an adapter; ends with 1 where there is something"
    )
    lint.add_argument("folder", type=Path, help="the adapter")
    lint.add_argument(
        "--base", type=Path, required=True, metavar="FOLDER", help="the checkpoint that it is for"
    )
    lint.set_defaults(do=_lint)
    schema = commands.add_parser("schema", help="print a JSON Schema")
    schema.add_argument("of", choices=("document", "scene", "recipe"))
    schema.set_defaults(do=_schema)


def _run(options: argparse.Namespace) -> None:
    recipe = read(options.recipe)
    folder = _folder(options, recipe)
    run = run_of(recipe, folder, Progress(shown=not options.quiet))
    if options.only:
        run.only(options.only, dry=options.dry_run)
    else:
        run.make(options.last, dry=options.dry_run)
    if options.only == "publish" and not options.dry_run:
        _hand_on(options, folder / "publish", options.name or recipe.name)


def _hand_on(options: argparse.Namespace, published: Path, name: str) -> None:
    from training.registering import copied, register  # noqa: PLC0415

    if options.into is not None:
        published = copied(published, options.into)
        print(f"{options.into}: what was published")
    if options.to == "local":
        print(f"{options.config}: the gateway has {', '.join(register(published, name, options.config))}")


def _folder(options: argparse.Namespace, recipe: Recipe) -> Path:
    return Path(options.run or Path("runs") / recipe.name)


def _sheet(options: argparse.Namespace) -> None:
    from training import sheet  # noqa: PLC0415
    from training.corpus.making import read as documents  # noqa: PLC0415
    from training.forming import by_rules  # noqa: PLC0415

    recipe = read(options.recipe)
    if options.out.exists():
        raise Wrong(f"{options.out} is there already: it may be filled in; name another file")
    run = run_of(recipe, _folder(options, recipe), Progress(shown=not options.quiet))
    run.make("corpus", dry=options.dry_run)
    if options.dry_run:
        return
    count = sheet.write(
        options.out, (row for each in documents(run.folder) for row in sheet.rows(each, by_rules(each)))
    )
    print(f"{options.out}: {count} sentences; fill it in, save it as CSV, and name it in scenes.sheet")


def _put(options: argparse.Namespace) -> None:
    from training import rows  # noqa: PLC0415 - torch takes seconds

    print(rows.copied(options.base, options.texts, options.out, options.id, resize=options.resize))


def _lint(options: argparse.Namespace) -> None:
    from app.loras.linter import faults  # noqa: PLC0415

    found = [*faults(options.folder, options.base)]
    if found:
        raise Wrong("\n".join(found))
    print(f"{options.folder}: vLLM takes it")


def _schema(options: argparse.Namespace) -> None:
    print(json.dumps(_schema_of(options.of), indent=1))


def _schema_of(name: str) -> Mapping[str, Any]:
    if name == "recipe":
        return Recipe.model_json_schema()
    if name == "scene":
        from scenes.scene import json_schema  # noqa: PLC0415

        return json_schema()
    from training.corpus.document import json_schema as of_documents  # noqa: PLC0415

    return of_documents()


if __name__ == "__main__":
    sys.exit(main())
