"""The house: imports run downward, modules are small, names say what is there, loaders are safe."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCES = sorted([*ROOT.glob("*.py"), *ROOT.glob("memlib/**/*.py"), *ROOT.glob("pages/**/*.py")])
ASSETS = sorted([*ROOT.glob("pages/**/*.js"), *ROOT.glob("pages/**/*.css")])
LINES, MODULES = 350, 15
# Each may import what stands in a lower row, and its own package.
PAGES = (("ranking", "survey"), ("widgets", "session"), ("figures",))
LIBRARY = (
    ("commands",),
    ("demo",),
    ("audit", "prompts", "survey"),
    ("evidence",),
    ("extraction", "landscapes", "runs", "tasks", "workspace"),
    ("measures",),
    ("led_paths",),
    ("flow", "neighbours"),
    ("images",),
    ("denoisers",),
    ("bundled", "device", "importance", "options", "progress", "seeds", "statistics"),
)


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imports(path: Path) -> Iterator[str]:
    """The full names of the modules and names that a module imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name(path)} imports by a relative name"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def upward(package: str, rows: tuple[tuple[str, ...], ...]) -> list[str]:
    """Imports of one package of the rows by another that does not stand above it."""
    level = {part: height for height, row in enumerate(rows) for part in row}
    found = []
    for path in (ROOT / package).rglob("*.py"):
        own = path.relative_to(ROOT / package).with_suffix("").parts[0]
        for other in imports(path):
            parts = other.split(".")
            if parts[0] != package or len(parts) < 2 or parts[1] == own or own not in level:
                continue
            if level.get(parts[1], len(rows)) <= level[own]:
                found.append(f"{name(path)} imports {other}")
    return found


def test_memlib_imports_run_downward_only() -> None:
    assert not upward("memlib", LIBRARY)


def test_memlib_knows_neither_the_pages_nor_streamlit() -> None:
    for path in (ROOT / "memlib").rglob("*.py"):
        assert not {other.split(".")[0] for other in imports(path)} & {"streamlit", "pages"}, path


def test_pages_compute_nothing_on_tensors() -> None:
    """Pages may name the type of what they hand on, and import nothing else of torch."""
    for path in (ROOT / "pages").rglob("*.py"):
        found = {other for other in imports(path) if other.split(".")[0] == "torch"}
        assert found <= {"torch.Tensor"}, path


def test_pages_imports_run_downward_only_and_no_page_imports_another() -> None:
    pages = [path.parent.name for path in (ROOT / "pages").glob("*/page.py")]
    assert not upward("pages", (tuple(pages), *PAGES))


def test_no_module_is_longer_than_a_noun() -> None:
    found = {name(path): len(path.read_text().splitlines()) for path in [*SOURCES, *ASSETS]}
    assert not {path: count for path, count in found.items() if count > LINES}


def test_no_folder_holds_more_modules_than_a_reader_can_keep_in_mind() -> None:
    found = Counter(name(path.parent) for path in SOURCES if path.name != "__init__.py")
    assert not {folder: count for folder, count in found.items() if count > MODULES}


def test_folders_and_modules_are_named_for_what_is_in_them() -> None:
    for path in SOURCES:
        assert not {"shared", "common", "utils", "helpers", "misc"} & {*path.parts, path.stem}, path


def test_no_two_modules_of_memlib_have_one_name() -> None:
    """A command may have the name of what it commands; `measures.evidence` is a public alias."""
    found = Counter(
        path.stem
        for path in (ROOT / "memlib").rglob("*.py")
        if path.stem not in ("__init__", "__main__")
        and path.parent.name != "commands"
        and path != ROOT / "memlib" / "measures" / "evidence.py"
    )
    assert {stem for stem, count in found.items() if count > 1} == set()


def test_scripts_and_styles_stand_in_files_of_their_own() -> None:
    for path in (ROOT / "pages").rglob("*.py"):
        assert not re.search("_JS|_CSS", path.read_text()), path


UNSAFE = (
    r"\btorch\.load\b|\btorch\.jit\b|\b(?:import|from) (?:c?pickle|dill|joblib|marshal|shelve)\b"
    r"|\bpickle\.|allow_pickle=True|weights_only=False|unsafe_allow_html|\.(?:inner|outer)HTML\b"
    r"|insertAdjacentHTML|document\.write"
)


# PyTorch's restricted reader, where a confined process converts weights
RESTRICTED = 'return torch.load(stream, map_location="cpu", weights_only=True)\n'
PICKLES = ROOT / "memlib" / "denoisers" / "pickles.py"


def test_nothing_is_loaded_that_could_run_and_no_text_becomes_markup() -> None:
    texts = {path: path.read_text() for path in [*SOURCES, *ASSETS]}
    assert texts[PICKLES].count(RESTRICTED) == 1
    texts[PICKLES] = texts[PICKLES].replace(RESTRICTED, "")
    found = {name(path): re.search(UNSAFE, text) for path, text in texts.items()}
    assert not {path: match[0] for path, match in found.items() if match}


def names_of(path: Path) -> set[str]:
    """The names that a module itself defines."""
    found = {
        node.id
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    return found | {
        node.name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
    }


def test_a_name_is_imported_from_the_module_that_defines_it() -> None:
    """A package may hand on what its modules define; a module hands on nothing."""
    alias = "memlib.measures.evidence"  # for other programs
    defined = {
        name(path)[:-3].replace("/", "."): names_of(path)
        for path in SOURCES
        if path.name != "__init__.py"
    }
    for path in [*SOURCES, *ROOT.glob("tests/**/*.py")]:
        for module, _, wanted in (other.rpartition(".") for other in imports(path)):
            if module in defined and module != alias:
                assert wanted in defined[module], f"{name(path)} imports {wanted} from {module}"


def test_what_comes_from_outside_is_cut_short_by_the_one_function_for_it() -> None:
    cut = re.compile(r"\[:\d+\]!r|![rs]:\.\d|\{\w+:\.\d+\}")
    assert not [name(path) for path in SOURCES if cut.search(path.read_text())]
