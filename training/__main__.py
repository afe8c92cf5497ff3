"""`python -m training`: the forge's commands."""

import argparse
import shutil
import sys
from pathlib import Path

from training.book import Wrong, read


def main() -> int:
    """Ends with 1 and one line where something cannot be used."""
    options = _parser().parse_args()
    try:
        _put(options)
    except Wrong as fault:
        print(fault, file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    asked = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    commands = asked.add_subparsers(required=True, metavar="COMMAND")
    put = commands.add_parser(
        "hypertokens",
        help="put texts as tokens into a model",
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
    return asked


def _put(options: argparse.Namespace) -> None:
    if options.out.exists():
        raise Wrong(f"{options.out} is there already: name another folder, or take it away")
    try:
        with options.texts.open("rb") as lines:
            texts = read(lines)
    except OSError as fault:
        raise Wrong(f"{options.texts} cannot be read: {fault.strerror}") from None
    except Wrong as fault:
        raise Wrong(f"{options.texts}: {fault}") from None
    from training import rows  # noqa: PLC0415 - torch takes seconds, and a wrong line needs none of it

    base = rows.Base.read(options.base)
    entries = rows.put(base, texts, resize=options.resize)
    partial = options.out.with_name(f".{options.out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        base.write(partial)
        made = rows.book(options.id, 1, partial, entries)
        (partial / "hypertokens.json").write_bytes(made.to_json())
        Path(partial).replace(options.out)
    except OSError as fault:
        raise Wrong(f"{options.out} cannot be written: {fault.strerror or fault}") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    saved = sum(entry.tokens - 1 for entry in entries)
    print(
        f"{len(entries)} tokens, {base.free_rows} rows left; {saved} tokens saved where each text stands once"
    )


if __name__ == "__main__":
    sys.exit(main())
