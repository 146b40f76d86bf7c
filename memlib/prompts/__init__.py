"""Lists of prompts, runs that measure them and draw from them, and how well measures tell the
memorised ones.
"""

from memlib.prompts.judging import (
    prompt_quality,
    sides_of,
    truths_of,
)
from memlib.prompts.prompt_list import PromptList, read_list, typed_list
from memlib.prompts.prompt_run import (
    ORIGINAL_DISTANCE,
    create_prompt_run,
    measure_prompts,
    originals_of,
    pictures_of,
    prompt_run_name,
    prompts_of_run,
)

__all__ = [
    "ORIGINAL_DISTANCE",
    "PromptList",
    "create_prompt_run",
    "measure_prompts",
    "originals_of",
    "pictures_of",
    "prompt_quality",
    "prompt_run_name",
    "prompts_of_run",
    "read_list",
    "sides_of",
    "truths_of",
    "typed_list",
]
