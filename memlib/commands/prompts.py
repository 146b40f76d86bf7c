"""Measure a list of prompts on a model of text, and draw from each.

LIST has a prompt a line, or is a CSV or JSONL with a column called prompt, caption or text; its
columns label (memorised or not), file, kind and family are used as well. For every prompt the
chosen measures are taken and pictures drawn, seeds side by side, and stored in a run folder. The
same command continues where a stopped or killed one ended, and measures nothing twice; so does
--resume FOLDER. Prints how well each measure tells the memorised prompts, by the labels of the
list, by pictures that are alike, and by their distance to the originals.
"""

import argparse
from pathlib import Path

import torch

from memlib.commands.inputs import (
    absolute,
    load_model,
    settings_arguments,
    settings_of,
)
from memlib.commands.progress import Report
from memlib.evidence import table_line
from memlib.measures.conditional import PROMPT_MEASURES
from memlib.measures.conditional.scoring import PROMPTS, PromptSettings
from memlib.prompts import (
    create_prompt_run,
    measure_prompts,
    originals_of,
    prompt_quality,
    prompt_run_name,
    read_list,
    truths_of,
)
from memlib.quoting import quoted
from memlib.runs import FOLDER, Numbers, OnRay, Run, in_this_process
from memlib.sources import inherited

USUAL = PromptSettings()
SETTINGS = ("measures", "seeds", "guidance", "steps", "seed")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", nargs="?", help="a folder of a model of text, a Hub id, demo-text")
    parser.add_argument("list", nargs="?", type=Path, help="the list of prompts")
    parser.add_argument("--device", help="cpu, cuda, cuda:1, mps (default: the best available)")
    settings_arguments(parser, USUAL, SETTINGS)
    parser.add_argument(
        "--all-measures", action="store_true", help=f"all {len(PROMPT_MEASURES)} of them"
    )
    parser.add_argument(
        "--no-pictures", action="store_true", help="only measures before and during generation"
    )
    parser.add_argument(
        "--originals",
        metavar="FOLDER",
        help="training pictures, with which the pictures of a prompt are compared",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="RUN",
        help=f"the run folder (default: one below {FOLDER}, named after all of the above)",
    )
    parser.add_argument(
        "--resume",
        type=Path,
        metavar="FOLDER",
        help="continue this run; all that says what to measure is read from it",
    )
    parser.add_argument(
        "--engine",
        default="local",
        choices=["local", "ray"],
        help="local: this process (default); ray: a Ray cluster, or all GPUs or cores of this "
        "machine",
    )
    parser.add_argument("--address", help="the address of a running Ray cluster, or auto")
    parser.add_argument("--workers", type=int, help="the largest number of Ray workers")
    parser.add_argument("--threads", type=int, help="CPU threads of this process, or of a worker")


def run(asked: argparse.Namespace, report: Report) -> None:
    """Measure the missing prompts of the run, and report how well the measures tell them."""
    for name in ("threads", "workers"):
        if getattr(asked, name) is not None and getattr(asked, name) < 1:
            raise ValueError(f"--{name} must be at least 1, not {getattr(asked, name)}.")
    on_ray = asked.engine == "ray"
    if not on_ray and (asked.address or asked.workers):
        raise ValueError("--address and --workers need --engine ray.")
    if asked.threads and not on_ray:
        torch.set_num_threads(asked.threads)
    if asked.resume:
        one = Run(asked.resume, roots=inherited())
        if one.measure != PROMPTS:
            raise ValueError(f"{quoted(one.folder.name)} is no run of prompts: use measure.")
        sources = one.manifest.get("sources") or {}
    elif asked.model and asked.list:
        one = None
        sources = {
            "model": absolute(asked.model),
            "originals": absolute(asked.originals) if asked.originals else None,
        }
    else:
        raise ValueError("Name a model and a list of prompts, or a run by --resume.")
    model = load_model(_text(sources, "model"), None, "cpu" if on_ray else asked.device)
    place = sources.get("originals")
    originals = (
        originals_of(_text(sources, "originals"), model, roots=inherited()) if place else None
    )
    if one is None:
        prompts = read_list(asked.list, roots=inherited())
        report.result(
            {"list": prompts.name, "prompts": len(prompts)}, f"{prompts.name}: {prompts.said}"
        )
        settings = _settings(asked)
        folder = asked.out or FOLDER / prompt_run_name(model, prompts, settings, originals)
        threads = (asked.threads or 1) if on_ray else None
        one = create_prompt_run(
            folder, model, prompts, settings, originals, sources=sources, threads=threads
        )
    engine = OnRay(asked.address, asked.workers, asked.threads or 1) if on_ray else in_this_process
    for _ in measure_prompts(
        one, model, originals, engine=engine, progress=report.stage("Prompts")
    ):
        pass
    _judged(one.again(), report)


def _text(sources: object, name: str) -> str:
    value = sources.get(name) if isinstance(sources, dict) else None
    if not isinstance(value, str):
        raise ValueError(f"The run does not say where its {name} comes from.")
    return value


def _settings(asked: argparse.Namespace) -> PromptSettings:
    """Return the settings of the options."""
    if asked.all_measures:
        asked.measures = ",".join(PROMPT_MEASURES)
    if asked.no_pictures and asked.measures == USUAL.measures:
        asked.measures = ",".join(one.name for one in USUAL.chosen if one.takes == "noise")
    names = (*SETTINGS, "pictures")
    asked.pictures = not asked.no_pictures
    return settings_of(asked, USUAL, names)


def _judged(one: Run, report: Report) -> None:
    """Report the run, and how well each measure tells its prompts."""
    report.result(
        {"run": str(one.folder), "prompts": one.done, "measure": one.measure},
        f"{one.done:,} prompts measured, in {one.folder}",
    )
    table = Numbers(one).page("position", False, 0, one.count)
    name, model = one.manifest["images"]["name"], one.manifest["model"]["name"]
    for truth in truths_of(table).values():
        found = prompt_quality(table, one.measures, truth)
        sides = f"{int(truth.above.sum()):,} prompts against {int(truth.below.sum()):,}"
        title = f"{truth.said}: {sides} of {name}, on {model}"
        heads, lines = table_line(found)
        width = max(len(line[0]) for line in [heads, *lines]) if lines else 0
        text = "\n".join(
            f"{line[0]:<{width}}  {line[1]:<24}  {line[3]}" for line in [heads, *lines]
        )
        report.table(title, found, f"{title}\n{text}")
