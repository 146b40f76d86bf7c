"""Text is text: nothing from outside reaches what Streamlit reads as Markdown, except through
`plain`, and no figure is drawn except through `literal`.

Names of files, groups, reviewers, models and runs come from outside. Every argument that Streamlit
reads as Markdown is followed back to where it comes from: words that the code spells, numbers with
a format, `plain(...)`. A parameter is followed to the callers, a name to its assignments.
"""

import ast
import html
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from pages.figures.curves import growth_curve
from pages.figures.maps import maps_in_a_row
from pages.figures.quality import correlations
from pages.figures.spread import against_control, histogram
from pages.figures.style import literal

ROOT = Path(__file__).parents[1]
FILES = [ROOT / "app.py", *sorted((ROOT / "pages").rglob("*.py"))]
LABELLED = re.findall(
    r"\w+",
    "badge button caption checkbox date_input download_button error expander file_uploader "
    "form_submit_button header info markdown metric multiselect number_input page_link pills "
    "popover radio segmented_control select_slider selectbox slider spinner status subheader "
    "success tabs text_area text_input title toast toggle warning",
)
MARKED = dict.fromkeys(LABELLED, (0,)) | {"metric": (0, 1, 2), "progress": (1,), "image": (1,)}
OPTIONS = ("pills", "segmented_control", "radio")  # whose options are Markdown too
SPELLED = ("label", "body", "text", "caption", "help", "delta")  # keywords of Markdown
NEVER = ("write", "table", "html", "iframe", "link_button")  # they guess, or make links
SAFE = ("plain", "len", "int", "float", "round", "duration", "number", "navigation")  # calls
SAFE += ("bounds", "plus_minus", "shift_in_words")  # numbers as they are written
SAFE += ("base_rate", "best_of", "believe", "rate_in_words")  # sentences of numbers
SAFE += ("copy_rule", "counted_in_words", "drawn_how", "sentence", "to_find", "surpassed_in_words")
KEEPS = ("join", "capitalize", "lower", "replace", "split", "format")  # of safe text: safe text
HOLDS = ("list", "sorted", "tuple", "next", "iter", "str", "enumerate", "dict", "items", "values")
NUMBER = re.compile(r".*[,dgef%n]$")  # a format that raises for text
REGISTRIES = ("measure", "criterion", "option", "rule", "CRITERION")  # and names in capitals
WORDS = ("title", "unit", "definition", "help", "limits", "citation")  # that registries spell
TOLD = ("said", "forwards", "minus", "shape", "words")  # counts, and what the code declares


class Scope:
    """A module or a function, and what is assigned in it."""

    def __init__(self, node: ast.AST, file: Path, outer: "Scope | None" = None) -> None:
        self.node, self.file, self.outer = node, file, outer
        self.bound: dict[str, list[ast.expr | None]] = defaultdict(list)
        arguments = getattr(node, "args", None)
        self.parameters = (
            [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
            if isinstance(arguments, ast.arguments)
            else []
        )

    def find(self, name: str) -> bool:
        """Whether a name is a variable or a parameter here."""
        own = name in self.bound or name in (one.arg for one in self.parameters)
        return own or (self.outer is not None and self.outer.find(name))

    def bind(self, target: ast.expr, value: ast.expr | None, part: str = "whole") -> None:
        """Note that a name may be a value, or one that it holds."""
        if isinstance(target, ast.Name):
            self.bound[target.id].append(value)
            return
        if not isinstance(target, (ast.Tuple, ast.List)):
            return
        if isinstance(value, ast.Call) and called(value) == "zip" and part == "one":
            for one, passed in zip(target.elts, value.args, strict=True):
                self.bind(one, passed, "one")
            return
        rows = [value] if part == "whole" else getattr(value, "elts", [None])
        for row in rows:
            parts = getattr(row, "elts", None)
            for place, one in enumerate(target.elts):
                if parts and len(parts) == len(target.elts):
                    self.bind(one, parts[place])
                else:
                    self.bind(one, value, "one" if part == "one" else "whole")


class House:
    """Every module of the pages, its scopes and calls."""

    def __init__(self, sources: dict[Path, str]) -> None:
        self.scopes: dict[ast.AST, Scope] = {}
        self.calls: dict[str, list[tuple[ast.Call, Scope]]] = defaultdict(list)
        self.functions: dict[str, list[Scope]] = defaultdict(list)
        self.asked: set[tuple] = set()
        self.imported: dict[Path, dict[str, str]] = defaultdict(dict)  # what a name stands for
        for file, text in sources.items():
            tree = ast.parse(text)
            self._enter(tree, Scope(tree, file))

    def _enter(self, node: ast.AST, scope: Scope) -> None:
        for child in ast.iter_child_nodes(node):
            inner = scope
            if isinstance(child, (ast.FunctionDef, ast.Lambda)):
                inner = Scope(child, scope.file, scope)
                self.functions[getattr(child, "name", "")].append(inner)
            if isinstance(child, ast.Assign):
                for target in child.targets:
                    scope.bind(target, child.value)
                    if isinstance(target, ast.Subscript):  # a key of a dictionary
                        scope.bind(target.value, target.slice)
            elif isinstance(child, (ast.AugAssign, ast.AnnAssign, ast.NamedExpr)):
                scope.bind(child.target, child.value or ast.Constant(""))
            elif isinstance(child, (ast.For, ast.comprehension)):
                scope.bind(child.target, child.iter, "one")
            elif isinstance(child, ast.ImportFrom):
                for one in child.names:
                    self.imported[scope.file][one.asname or one.name] = f"{child.module}.{one.name}"
            elif isinstance(child, ast.Call):
                self.calls[called(child)].append((child, scope))
                if called(child) in ("append", "extend", "setdefault", "insert"):
                    scope.bind(child.func.value, child.args[-1])  # type: ignore[attr-defined]
            self.scopes[child] = inner
            self._enter(child, inner)

    def safe(self, node: ast.expr | None, scope: Scope) -> bool:
        """Whether a text can only be words of the code, numbers, and what `plain` returned."""

        def ok(*parts: ast.expr | None) -> bool:
            return all(self.safe(part, scope) for part in parts)

        match node:
            case ast.Constant():
                return True
            case ast.JoinedStr(values=parts):
                return ok(*parts)
            case ast.FormattedValue(value=value, format_spec=form):
                spec = "".join(getattr(one, "value", "") for one in getattr(form, "values", []))
                return bool(NUMBER.match(str(spec))) or ok(value)
            case ast.UnaryOp(operand=one):
                return ok(one)
            case ast.BinOp(left=left, right=right):
                return ok(left, right)
            case ast.IfExp(body=one, orelse=other):
                return ok(one, other)
            case ast.BoolOp(values=parts) | ast.List(elts=parts) | ast.Tuple(elts=parts):
                return ok(*parts)
            case ast.Dict(keys=keys, values=values):
                return ok(*keys) and (ok(*values) or not any(map(is_text, values)))
            case ast.ListComp(elt=one) | ast.GeneratorExp(elt=one) | ast.Starred(value=one):
                return ok(one)
            case ast.Subscript(value=value):
                return ok(value)
            case ast.Lambda(body=body):
                return self.safe(body, self.scopes[node])
            case ast.Call():
                return self._call(node, scope)
            case ast.Attribute(value=value, attr=name):
                root = node_root(node)
                ours = root in REGISTRIES or root.isupper() or name.isupper()
                return ours or name in TOLD or (name in WORDS and ok(value))
            case ast.Name(id=name):
                return self._name(name, scope)
        return False

    def _call(self, node: ast.Call, scope: Scope) -> bool:
        name = called(node)
        if isinstance(node.func, ast.Attribute) and name in KEEPS:
            return all(self.safe(part, scope) for part in (node.func.value, *node.args))
        if name in SAFE or node_root(node.func).isupper():
            return True
        if name in HOLDS:
            own = [node.func.value] if isinstance(node.func, ast.Attribute) else node.args[:1]
            return all(self.safe(part, scope) for part in own)
        returned = [
            (one.value, function)
            for function in self.functions.get(name, [])
            for one in ast.walk(function.node)
            if isinstance(one, ast.Return) and self.scopes[one] is function
        ]
        return bool(returned) and self._followed(("call", name), returned)

    def _followed(self, key: tuple, found: list[tuple[ast.expr | None, Scope]]) -> bool:
        """Whether all of these are safe; what is followed already, in a circle, adds nothing."""
        if key in self.asked:
            return True
        self.asked.add(key)
        try:
            return all(self.safe(*one) for one in found)
        finally:
            self.asked.discard(key)

    def _name(self, name: str, scope: Scope | None) -> bool:
        if name.strip("_").isupper() or name == "plain":
            return True
        while scope is not None and name not in scope.bound:
            if name in (one.arg for one in scope.parameters):
                return self._parameter(name, scope)
            scope = scope.outer
        if scope is None:
            return self._call(ast.Call(ast.Name(name), [], []), Scope(ast.Pass(), Path()))
        return self._followed((id(scope), name), [(one, scope) for one in scope.bound[name]])

    def _reaches(self, call: ast.Call, where: Scope, function: Scope, method: bool) -> bool:
        """Whether a call may be one of this function, and not of another of its name."""
        known, own = self.imported[where.file], module_of(function.file)
        if isinstance(call.func, ast.Name):
            name = call.func.id
            return not method and known.get(name, f"{module_of(where.file)}.{name}") == (
                f"{own}.{name}"
            )
        root = node_root(call.func)
        if root == "st" or where.find(root):  # an object
            return method and root != "st"
        return not method and known.get(root) == own

    def _parameter(self, name: str, scope: Scope) -> bool:
        """Whether every caller passes safe text."""
        place = [one.arg for one in scope.parameters].index(name)
        kind = scope.parameters[place].annotation
        if isinstance(kind, ast.Name) and kind.id in ("int", "float", "bool"):
            return True
        method = scope.parameters[0].arg == "self"
        found: list[tuple[ast.expr | None, Scope]] = []
        calls = self.calls.get(getattr(scope.node, "name", ""), [])
        for call, where in calls:
            if not self._reaches(call, where, scope, method):
                continue
            found += [(one.value, where) for one in call.keywords if one.arg == name]
            found += [(one, where) for one in call.args[place - method : place - method + 1]]
        return bool(calls) and self._followed((id(scope), name), found)


def module_of(file: Path) -> str:
    parts = file.relative_to(ROOT) if file.is_absolute() else file
    return ".".join(parts.with_suffix("").parts)


def called(call: ast.Call) -> str:
    return getattr(call.func, "attr", getattr(call.func, "id", ""))


def node_root(node: ast.expr) -> str:
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def is_text(node: ast.expr) -> bool:
    return isinstance(node, (ast.Constant, ast.JoinedStr))


def markdown_of(call: ast.Call) -> list[ast.expr]:
    """The arguments of a call that Streamlit reads as Markdown."""
    name, named = called(call), {one.arg: one.value for one in call.keywords}
    found = [call.args[place] for place in MARKED.get(name, ()) if place < len(call.args)]
    found += [value for key, value in named.items() if key in SPELLED and name in MARKED]
    if name in OPTIONS:
        found += [named["format_func"]] if "format_func" in named else call.args[1:2]
    return found


def unsafe(sources: dict[Path, str]) -> list[str]:
    house = House(sources)
    found = []
    for name, calls in house.calls.items():
        for call, scope in calls:
            root = node_root(call.func)
            ours = house.imported[scope.file].get(root, "").startswith("pages.")
            if ours or not isinstance(call.func, ast.Attribute):
                continue
            where = f"{scope.file.name}:{call.lineno} {name}"
            found += [
                f"{where}({ast.unparse(one)})"
                for one in markdown_of(call)
                if not house.safe(one, scope)
            ]
            style = name == "html" and ast.unparse(call.args[0]) == "STYLE"  # a file of ours
            if name in NEVER and node_root(call.func) == "st" and not style:
                found.append(where)
            drawn = call.args[0] if name == "plotly_chart" else None
            if drawn is not None and not ast.unparse(drawn).startswith("literal("):
                found.append(f"{where} without literal")
    return sorted(found)


def test_no_page_draws_a_name_except_as_plain_text() -> None:
    assert not unsafe({file: file.read_text() for file in FILES})


def test_every_fragment_ends_in_a_sentence_whatever_goes_wrong() -> None:
    """A fragment runs by itself, past the handler around the page."""
    fragments = 0
    for file in FILES:
        for node in ast.walk(ast.parse(file.read_text())):
            marks = [ast.unparse(one) for one in getattr(node, "decorator_list", [])]
            if any(mark.startswith("st.fragment") for mark in marks):
                fragments += 1
                assert marks[1:] == ["guarded()"], f"{file.name}: {getattr(node, 'name', '')}"
    assert fragments >= 4


def test_every_table_a_person_downloads_is_written_by_one_function() -> None:
    for file in [*FILES, *(ROOT / "memlib").rglob("*.py")]:
        if "demo" not in file.parts and file.name != "spreadsheet.py":
            assert "to_csv(" not in file.read_text(), file


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("st.caption(images.name)", 1),
        ("st.caption(f'{images.name}')", 1),
        ("st.caption(f'{images.name:.40}')", 1),
        ("st.caption(f'{len(images):,} of {plain(images.name)}')", 0),
        ("said = images.name\n    st.metric('Images', said)", 1),
        ("said = []\n    said.append(images.name)\n    st.info(', '.join(said))", 1),
        ("for name in images.names:\n        st.expander(name)", 1),
        ("st.pills('Groups', images.groups)", 1),
        ("st.pills('Groups', images.groups, format_func=plain)", 0),
        ("st.pills('Groups', images.groups, format_func=lambda one: one.title())", 1),
        ("st.image(images[0], caption=images.names[0])", 1),
        ("st.selectbox('Run', images.names, help=images.name)", 1),
        ("st.selectbox('Run', images.names)", 0),
        ("headed(images.name)", 1),
        ("headed('Images')", 0),
        ("st.text(images.name)", 0),
        ("st.write('anything')", 1),
        ("st.plotly_chart(figure)", 1),
        ("st.plotly_chart(literal(figure))", 0),
    ],
)
def test_a_name_is_found_wherever_it_comes_from(body: str, found: int) -> None:
    page = f"def main(images):\n    {body}\n\n\ndef headed(title):\n    st.header(title)\n"
    called = page if "headed(" in body else page + "headed('Images')\n"
    assert len(unsafe({Path("page.py"): called})) == found


BAD = [
    "![x](http://example.org)",
    "www.example.org",
    "<b>x</b>",
    ":red[x]",
    "$x$",
    "=cmd|' /C c'!A0",
]


@pytest.mark.parametrize("name", BAD)
def test_a_figure_draws_names_as_they_are_written(name: str) -> None:
    sigmas, curve = np.array([0.1, 1.0, 2.0]), np.array([1.0, 2.0])
    table = pd.DataFrame({"value": [1.0, 2.0], "loss": [1.0, 2.0], "name": name, "group": name})
    for figure in (
        growth_curve({name: (sigmas, curve)}, None),
        against_control(table, "loss", name, name),
        histogram(table, "group", 1.0, name),
        maps_in_a_row({name: np.zeros((2, 2))}, (0, 1), name),
        correlations(np.eye(1), [name]),
    ):
        assert name in set(texts(json.loads(figure.to_json())))
        drawn = set(texts(json.loads(go.Figure(literal(figure)).to_json())))
        assert html.escape(name, quote=False) in drawn
        assert not any("<b>" in text for text in drawn)


def texts(part: object) -> Iterator[str]:
    """Every text in a figure."""
    if isinstance(part, str):
        yield part
    elif isinstance(part, (dict, list)):
        for one in part.values() if isinstance(part, dict) else part:
            yield from texts(one)


def test_the_tool_bar_of_a_figure_does_not_cover_its_legend() -> None:
    figure = literal(go.Figure(go.Scatter(x=[1], y=[1]), {"legend": {"y": 1}}))
    assert figure["layout"]["modebar"]["orientation"] == "v"
    assert figure["layout"]["legend"] == {"y": 1}
