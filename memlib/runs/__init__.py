"""Measuring many images: results in memory, run folders on disk, local and distributed work, and
queries on results.
"""

from memlib.runs.cluster import OnRay
from memlib.runs.folder import Run, read_numbers, read_run
from memlib.runs.manifest import provenance
from memlib.runs.measuring import FOLDER, create_run, in_this_process, measure_run, run_name
from memlib.runs.numbers import Numbers
from memlib.runs.results import (
    CHUNK,
    Results,
    forward_seconds,
    held_out_sample,
    measure_images,
    measure_one,
    result_table,
    series,
    with_metadata,
)
from memlib.runs.rows import Filter, Rows, TableRows

__all__ = [
    "CHUNK",
    "FOLDER",
    "Filter",
    "Numbers",
    "OnRay",
    "Results",
    "Rows",
    "Run",
    "TableRows",
    "create_run",
    "forward_seconds",
    "held_out_sample",
    "in_this_process",
    "measure_images",
    "measure_one",
    "measure_run",
    "provenance",
    "read_numbers",
    "read_run",
    "result_table",
    "run_name",
    "series",
    "with_metadata",
]
