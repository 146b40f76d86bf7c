"""The bundled run of prompts: every measure with a condition on the text demo, and how well it
finds the copied prompts.

The run has a row for each prompt from which pictures are drawn. It is packed: pictures as WebP,
maps of a few measures in a few bits.
"""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from PIL import Image

from memlib import ImageSet, load_denoiser, load_images
from memlib.demo.text.judgement import OFTEN, SEEDS, STEPS, chosen_prompts, prompts_of
from memlib.evidence import auc_text
from memlib.measures.conditional import PROMPT_MEASURES
from memlib.measures.conditional.scoring import MAP, PromptSettings
from memlib.progress import Stages
from memlib.prompts import create_prompt_run, measure_prompts
from memlib.prompts.judging import families
from memlib.prompts.prompt_list import MEMORISED, NOT_MEMORISED, Prompt, PromptList
from memlib.prompts.prompt_run import LIST
from memlib.runs import Numbers, Run
from memlib.runs.parts import read, values_of, write_tables

SCALE = 3.0  # of the guidance by which pictures are drawn
SETTINGS = PromptSettings(
    measures=",".join(PROMPT_MEASURES), seeds=SEEDS, guidance=SCALE, steps=STEPS
)
MAPS = ("curvature_difference", "score_difference", "small_sphere_gap")  # that are packed
BITS = 5  # of their mantissas
QUALITY = 75  # of WebP


def listed_prompts(images: ImageSet) -> PromptList:
    """Return the chosen prompts as a list: those copied often are labelled memorised, those of no
    copies are not, and the others have no label.
    """
    table = prompts_of(images)
    found = []
    for _, line in table.loc[chosen_prompts(table)].iterrows():
        copies, place = int(line["kind"].rpartition(" x")[2]), int(line["place"])
        often = MEMORISED if copies >= OFTEN else ""
        found.append(
            Prompt(
                str(line["caption"]),
                label=often if line["group"] == "copied" else NOT_MEMORISED,
                file="" if line["group"] == "shared" else images.names[place],
                kind=str(line["kind"]),
                family=images.metadata["family"][place],
            )
        )
    return PromptList("Captions of the text demo", tuple(found))


def score(work: Path, target: Path, stages: Stages) -> None:
    """Measure the chosen prompts by every measure, draw from them, and pack the run."""
    images, model = load_images("demo-text"), load_denoiser("demo-text")
    sources = {"model": "demo-text", "originals": "demo-text"}
    prompts = listed_prompts(images)
    run = create_prompt_run(work, model, prompts, SETTINGS, images, sources=sources)
    for _ in measure_prompts(run, model, images, progress=stages("all measures of prompts")):
        pass
    pack_prompts(run.again(), target)


def pack_prompts(run: Run, target: Path) -> None:
    """Write a complete run of one part to another folder in less space."""
    target.mkdir(parents=True, exist_ok=True)
    for name in (LIST, "numbers.parquet", "manifest.json"):
        (target / name).write_bytes((run.folder / name).read_bytes())
    columns, fields = [], []
    table = read(run.folder / "arrays-000000.parquet", [MAP + name for name in MAPS])
    for field in table.schema:
        mantissa, exponent = np.frexp(values_of(table, field.name))
        flat = np.ldexp(np.round(mantissa * 2**BITS) / 2**BITS, exponent).astype(np.float32)
        size = flat[0].size
        columns.append(pa.FixedSizeListArray.from_arrays(pa.array(flat.ravel()), size))
        fields.append(pa.field(field.name, columns[-1].type, metadata=field.metadata))
    write_tables(target / "arrays-000000.parquet", [pa.table(columns, pa.schema(fields))])
    for file in sorted(run.folder.glob("seeds-*.png")):
        stream = io.BytesIO()
        Image.open(file).save(stream, "WEBP", quality=QUALITY, method=6)
        (target / f"{file.stem}.webp").write_bytes(stream.getvalue())


def score_tables(source: Path) -> dict[str, pd.DataFrame]:
    """Make the table of the bundled run, by title."""
    run, model = Run(source), load_denoiser("demo-text")
    table = Numbers(run).page("position", False, 0, run.count)
    labels = families(table)
    copied = table["kind"].str.startswith("copied").to_numpy(bool)
    copies = np.array([int(kind.rpartition(" x")[2]) for kind in table["kind"]])
    rungs = {
        f"x{OFTEN} and more": copies >= OFTEN,
        f"x{OFTEN // 2}": copies == OFTEN // 2,
        f"fewer than x{OFTEN // 2}": copies < OFTEN // 2,
    }
    lines = []
    for name, measure in PROMPT_MEASURES.items():
        values = measure.direction * table[name].to_numpy(float)
        told = {
            title: auc_text(values, copied & rung, ~copied, labels) for title, rung in rungs.items()
        }
        about: dict[str, object] = {"measure": measure.title, "when": measure.when}
        lines.append(about | {"forwards": measure.forwards(model)} | told)
    title = (
        f"AUC of every measure with a condition, of copied prompts against {int((~copied).sum())} "
        f"that are not copied, {SEEDS} seeds each, with 95% intervals over families; pictures are "
        f"drawn with guidance {SCALE:g}"
    )
    return {title: pd.DataFrame(lines)}
