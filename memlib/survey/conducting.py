"""The stages of a survey: what each is for, what it costs, how much of it is stored, and the doing
of the rest.

Everything is stored where the pages and the other commands look for it, so what was drawn or
measured before with the same settings is not done again, and a survey that was killed at any moment
goes on with the missing pieces.
"""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from memlib.denoisers import NetworkDenoiser
from memlib.evidence import Remembered, reproductions, stored_matches
from memlib.evidence.draws import OFTEN
from memlib.extraction import Generations, generate_run, plan_of, read_generations, stages
from memlib.extraction.generations import drawn
from memlib.extraction.stages import folder_of
from memlib.images import ImageSet
from memlib.measures import MEASURES
from memlib.progress import Progress, Stages
from memlib.runs import CHUNK, Run, create_run, measure_run, measuring, run_name
from memlib.runs.measuring import distinct
from memlib.survey.presets import PRESETS, RATE

PRODUCTS = 5e9  # products of pixel values a second, about what one core compares
MAPS = 64 * 2**20  # bytes of the maps of one measure, so that the app can keep them in memory
DRAW, MEASURE, MATCH, ESTIMATE = "draw", "measure", "match", "estimate"


@dataclass(frozen=True)
class Places:
    """The folders in which the pieces of a survey are stored."""

    draws: Path
    runs: Path
    matches: Path

    @classmethod
    def of_the_app(cls) -> "Places":
        """Return the folders where the app looks, below the working directory."""
        return cls(stages.FOLDER, measuring.FOLDER, stored_matches.FOLDER)

    @classmethod
    def below(cls, root: Path) -> "Places":
        """Return the same folders below another one."""
        usual = cls.of_the_app()
        return cls(*(root / one.name for one in (usual.draws, usual.runs, usual.matches)))


@dataclass(frozen=True)
class Stage:
    """One stage: `count` pieces, of which `done` are stored. A piece costs `forwards` network
    forwards, the stage `products` of pixel values for comparisons.
    """

    kind: str  # DRAW, MEASURE, MATCH or ESTIMATE
    title: str
    purpose: str
    count: int
    done: int
    forwards: int = 0
    products: float = 0.0
    measure: str = ""

    @property
    def left(self) -> int:
        """The network forwards of the missing pieces."""
        return (self.count - self.done) * self.forwards

    def seconds(self, forward: float) -> float:
        """Return about how long the missing pieces take; one forward takes `forward` seconds."""
        return self.left * forward + (self.products / PRODUCTS if self.done < self.count else 0.0)


@dataclass(frozen=True)
class Survey:
    """A survey of a model and an image set by one of PRESETS; `sources` say how to load both again,
    `read` opens the pictures that were drawn.

    Raises ValueError, with one sentence, for another preset.
    """

    denoiser: NetworkDenoiser
    images: ImageSet
    preset: str
    places: Places
    sources: Mapping[str, Any] | None = None
    read: Callable[[Path], Generations] = read_generations  # pages pass one that remembers

    def __post_init__(self) -> None:
        if self.preset not in PRESETS:
            raise ValueError(f"A survey is {', '.join(PRESETS)}, not {self.preset!r}.")

    def stages(self) -> list[Stage]:
        """Return the stages in their order, with what of each is stored now."""
        asked, images = PRESETS[self.preset], self.images
        size = float(np.prod(images.shape))
        draw = Stage(
            DRAW,
            "Draw pictures",
            f"To count the copies among them: without guidance, {asked.steps} steps each.",
            asked.draws,
            min(asked.draws, drawn(self._folder)),
            asked.steps,
        )
        measured = [
            Stage(
                MEASURE,
                MEASURES[name].title,
                MEASURES[name].definition,
                len(self.chosen),
                len({*self.chosen} & {*self._known(name)}),
                MEASURES[name].forwards(self.denoiser),
                measure=name,
            )
            for name in asked.measures
            if not MEASURES[name].refusal(self.denoiser)
        ]
        match = Stage(
            MATCH,
            "Find the copies",
            "Each picture is compared with every image, and the images with each other.",
            1,
            int(draw.count == draw.done and self._matches() is not None),
            products=len(images) * (len(images) / 2 + asked.draws) * size,
        )
        found = [draw, *measured, match]
        if asked.rates and not RATE.refusal(self.denoiser):
            ready = all(stage.done == stage.count for stage in found)
            trained = np.flatnonzero(~images.held_out).tolist()
            estimate = Stage(
                ESTIMATE,
                RATE.title,
                "Of the images that are likeliest to come back, those counted seldom first.",
                min(asked.rates, len(distinct(images, trained))),
                len({*self.likeliest()} & {*self._known(RATE.name)}) if ready else 0,
                RATE.forwards(self.denoiser),
                measure=RATE.name,
            )
            found.append(estimate)
        return found

    def refused(self) -> dict[str, str]:
        """Return which measures of the preset this model cannot be measured with, and why."""
        asked = {name: MEASURES[name] for name in PRESETS[self.preset].measures}
        said = {measure.title: measure.refusal(self.denoiser) for measure in asked.values()}
        return {title: why for title, why in said.items() if why}

    def run(self, callback: Stages | None = None) -> Iterator[Stage]:
        """Do what is missing; yield the stage, as it was when it began, after each stored piece.

        `callback(title)` returns the progress callback of a stage, which counts pieces; if it
        raises an exception, finished pieces are kept.
        """
        stages = callback or (lambda title: lambda done, total: None)
        plan = self.stages()
        for number in range(len(plan)):
            stage = self.stages()[number]
            told = stages(f"{number + 1} of {len(plan)}, {stage.title}")
            if stage.done < stage.count:
                told(stage.done, stage.count)
                for _ in self._do(stage, told):
                    yield stage

    def _do(self, stage: Stage, told: Progress) -> Iterator[object]:
        if stage.kind == DRAW:
            drawing = generate_run(
                self._folder, self.denoiser, stage.count, steps=stage.forwards, progress=told
            )
            for done, _ in drawing:
                if done > stage.done:  # it names the stored parts, too
                    yield done
        elif stage.kind == MATCH:
            pictures = read_generations(self._folder).images
            yield stored_matches.keep_matches(pictures, self.images, self.places.matches)
        else:
            chosen = self.chosen if stage.kind == MEASURE else self.likeliest()
            yield from self._measure(stage, chosen, told)

    def _measure(self, stage: Stage, chosen: Sequence[int], told: Progress) -> Iterator[object]:
        """Measure what is missing of the chosen images: first go on with runs that were begun, then
        begin one of the others.
        """
        wanted = set(chosen)

        def go_on(run: Run) -> Iterator[object]:
            before = len(wanted & {*self._known(stage.measure)}) - run.done
            yield from measure_run(
                run,
                self.denoiser,
                self.images,
                progress=lambda done, total: told(before + done, stage.count),
            )

        for run in self._runs(stage.measure):
            same = run.manifest["images"]["digest"] == self.images.digest
            own = same and {*distinct(self.images, run.manifest["selection"])} <= wanted
            if own and run.done < run.count:
                yield from go_on(run)
        known = self._known(stage.measure)
        missing = [place for place in chosen if place not in known]
        if missing:
            yield from go_on(self._begin(stage, missing))

    def _begin(self, stage: Stage, missing: list[int]) -> Run:
        measure = MEASURES[stage.measure]
        asked = (measure.name, measure.defaults(self.denoiser))
        indices = None if len(missing) == len(distinct(self.images)) else missing
        chunk = 1 if stage.kind == ESTIMATE else CHUNK  # the rate of one image takes long
        return create_run(
            self.places.runs / run_name(self.denoiser, self.images, *asked, indices, chunk=chunk),
            self.denoiser,
            self.images,
            *asked,
            indices=indices,
            chunk=chunk,
            sources=self.sources,
        )

    @cached_property
    def chosen(self) -> list[int]:
        """The places of the images to measure: all, or a random sample, of which that of a smaller
        preset is a part.
        """
        every = distinct(self.images)
        largest = max(1, int(MAPS // (8 * np.prod(self.denoiser.shape[1:]))))
        most = min(PRESETS[self.preset].most, largest)
        return (
            every
            if len(every) <= most
            else sorted(random.Random(0).sample(every, len(every))[:most])
        )

    def remembered(self) -> Remembered:
        """Return which images came back, once the copies are found."""
        matches, images = self._matches(), self.images
        groups = stored_matches.stored_groups(images, self.places.matches)
        if groups is None or matches is None:
            raise ValueError("The copies are not found yet: this survey is not finished.")
        times = reproductions(matches, len(images))
        return Remembered(len(matches), times, groups, ~images.held_out)

    def likeliest(self) -> list[int]:
        """Return the places of the images whose rate is estimated, once the others are measured and
        copies are found: the likeliest of each near-duplicate group by copies, then by growth.
        Images of which many copies were drawn come last, since the count is the better number.
        """
        images, count = self.images, PRESETS[self.preset].rates
        rows = {name: self._known(name) for name in PRESETS[self.preset].measures}
        name = next((name for name in ("volume_growth", *rows) if rows.get(name)), "")
        values = np.full(len(images), np.nan)
        for place, value in rows.get(name, {}).items():
            values[place] = value * MEASURES[name].direction
        likely = sorted(self.remembered().candidates(values), key=lambda one: one.times >= OFTEN)
        rest = [place for place in np.argsort(-values).tolist() if not images.held_out[place]]
        return distinct(images, [*(one.place for one in likely), *rest])[:count]

    @property
    def _folder(self) -> Path:
        plan = plan_of(self.denoiser, steps=PRESETS[self.preset].steps)
        return folder_of(plan, self.places.draws)

    def _matches(self) -> pd.DataFrame | None:
        pictures = self.read(self._folder).images
        return stored_matches.stored_matches(pictures, self.images, self.places.matches)

    def _runs(self, name: str) -> list[Run]:
        """Return the stored runs of a measure with its usual settings."""
        found, usual = [], MEASURES[name].defaults(self.denoiser)
        for manifest in sorted(self.places.runs.glob("*/manifest.json")):
            try:
                run = Run(manifest.parent)
            except ValueError:
                continue  # the page of runs shows what is wrong with it
            same = (run.model, run.measure) == (self.denoiser.digest, MEASURES[name].run)
            if same and run.parameters == usual and run.manifest.get("arrays", True):
                found.append(run)
        return found

    def _known(self, name: str) -> dict[int, float]:
        """Return the values of a measure that are stored, by the place of the image."""
        values: dict[str, float] = {}
        for run in self._runs(name):
            rows = run.rows(arrays=False)
            values |= {image: row[MEASURES[name].column] for image, row in rows.items()}
        return {
            place: values[image] for place, image in enumerate(self.images.ids) if image in values
        }
