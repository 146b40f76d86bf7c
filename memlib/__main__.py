"""The command line: `python -m memlib COMMAND`; each command is one function that declares its arguments and one that does it."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from memlib.denoisers import load_denoiser
from memlib.denoisers.unet import DEMO
from memlib.evidence import comparisons, ladder, match_samples, measure_table, quality, reproductions, signed, statement, table_line
from memlib.extraction.generations import read_generations
from memlib.extraction.matches import CRITERIA
from memlib.images import load_images
from memlib.measures import MEASURES
from memlib.runs import Results, read_run, result_key

SHOWN = ("volume_growth", "k_1_at_0.5", "denoising_loss")  # measures in the table by group


def evidence_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "evidence", help="which images come back, and which measure says so",
        description="Match pictures drawn from a model with its training images, and say how well every stored measure ranks those that come back. Prints Markdown tables.",
    )  # fmt: skip
    parser.add_argument("--model", default="demo", help="a diffusers folder, a Hub id, or demo (default)")
    parser.add_argument("--images", default="demo", help="a folder, zip or array of the training images, or demo (default)")
    parser.add_argument(
        "--samples", type=Path, help="pictures drawn from the model: a folder of generations, or an image set (default: those of the demo)"
    )
    parser.add_argument("--runs", type=Path, help="a folder of run folders with measured values (default: those of the demo)")
    parser.add_argument("--criterion", default="ratio", choices=["ratio", "distance"], help="what calls a picture a copy (default: ratio)")
    parser.add_argument("--threshold", type=float, help="below which it does (default: the criterion's own)")
    parser.add_argument("--output", type=Path, help="a folder to write the tables to as CSV as well")
    parser.add_argument("--json", action="store_true", help="one JSON object a line instead of Markdown")
    parser.set_defaults(run=evidence)


def evidence(asked: argparse.Namespace) -> None:
    """Write the tables of the evidence page."""
    denoiser, images = load_denoiser(asked.model), load_images(asked.images)
    if asked.samples is None and asked.model != "demo":
        raise ValueError("Name the pictures drawn from the model with --samples.")
    source = asked.samples or DEMO / "extraction" / "unconditional"
    samples = read_generations(source).images if (source / "manifest.json").exists() else load_images(source)
    results = Results(2**40)  # no limit: all are needed together
    for manifest in sorted((asked.runs or DEMO / "runs").glob("*/manifest.json")):
        details, rows = read_run(manifest.parent)
        for image, row in rows.items():
            results[result_key(details["model"]["digest"], image, details["measure"], details["parameters"])] = row
    values, _ = measure_table(denoiser, images, results)
    matches = match_samples(samples, images)
    counts = reproductions(matches, len(images), asked.criterion, asked.threshold)
    cut = CRITERIA[asked.criterion].threshold if asked.threshold is None else asked.threshold
    say(statement(len(samples), counts, CRITERIA[asked.criterion].title.lower(), cut), asked.json)
    shown = [name for name in SHOWN if values[name].notna().any()] or [name for name in MEASURES if values[name].notna().any()][:3]
    named = {MEASURES[name].title: signed(values[[name]])[name].to_numpy() for name in shown}
    tables = {"groups": ladder(images, counts, named)}
    for name, (above, below) in comparisons(images, counts).items():
        tables[name] = quality(denoiser, values, above, below)
    for name, table in tables.items():
        if asked.output:
            asked.output.mkdir(parents=True, exist_ok=True)
            table.to_csv(asked.output / f"{name.replace(' ', '-')}.csv", index=False)
        if asked.json:
            for line in json.loads(table.to_json(orient="records")):
                print(json.dumps({"table": name, **line}, ensure_ascii=False))
        else:
            print(f"\n{name[0].upper()}{name[1:]}:\n\n{markdown(table)}")


def markdown(table: pd.DataFrame) -> str:
    """A table of the evidence in Markdown."""
    head, lines = table_line(table)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *lines))


def say(text: str, as_json: bool) -> None:
    print(json.dumps({"statement": text}, ensure_ascii=False) if as_json else text)


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when done, 2 for bad input, which is told in one sentence."""
    parser = argparse.ArgumentParser(prog="python -m memlib", description="What a diffusion model remembers.")
    commands = parser.add_subparsers(required=True, metavar="command")
    evidence_command(commands)
    asked = parser.parse_args(arguments)
    try:
        asked.run(asked)
    except ValueError as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
