"""The documentation: links, citations, commands, names and code blocks are those of the code."""

from __future__ import annotations

import ast
import importlib
import re
import shlex
from itertools import pairwise
from pathlib import Path

import pytest

from tests._helpers.pages import (
    PAGES,
    alternatives,
    anchors,
    blocks,
    code_spans,
    commands,
    is_placeholder,
    name,
    read,
    without_blocks,
)
from tests._helpers.parsing import Parsed
from tests.test_layers import FOLDERS
from tools.layout import PACKAGES, ROOT, modules
from tools.site_math import take_equations
from tools.site_tutorials import as_markdown
from unlabelled.__main__ import EXPERIMENTS, OF_CLI, TOOLS

RUN_ELSEWHERE = {"docs/extend.md", "docs/published.md"}
"""Pages whose code, commands and configurations have tests of their own, in tests/docs."""
TUTORIALS = sorted((ROOT / "docs" / "tutorials").glob("*.py"))
CONFIGS = sorted((ROOT / "configs").rglob("*.yaml"))
YAML_FOLDERS = "|".join(sorted({path.parent.relative_to(ROOT).as_posix() for path in CONFIGS}, reverse=True))
PYTHON_FILES = [
    ROOT / "cli.py",
    *(
        path
        for folder in (*PACKAGES, "benchmarks", "tests")
        for path in sorted((ROOT / folder).rglob("*.py"))
    ),
]

pages = pytest.mark.parametrize("page", PAGES, ids=name)


def test_the_readme_is_short() -> None:
    assert len(read(ROOT / "README.md").splitlines()) <= 150


def missing(target: Path, anchor: str) -> str | None:
    """Return what of a link is not there."""
    if not target.exists():
        return f"no file {target}"
    if anchor and anchor not in anchors(target):
        return f"no heading #{anchor} in {name(target)}"
    return None


@pages
def test_links_lead_somewhere(page: Path) -> None:
    text = without_blocks(read(page))
    links = re.findall(r"\[[^]]*\]\(<?([^)\s>]+)>?\)", text)
    broken = set()
    for link in links:
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        if path.startswith("api/") or "/api/" in path:
            anchor = ""  # made by mkdocs, which checks it
        target = (page.parent / path).resolve() if path else page
        if target.parent.name == "tutorials" and target.suffix == ".md":
            target = target.with_suffix(".py")  # the site makes the page of it
        broken.add(missing(target, anchor))
    assert not broken - {None}


CITATION = re.compile(r"\bdocs/[\w/]+\.(?:md|png|py)(?:#[\w-]+(?:(?:,| and|, and)\s+#[\w-]+)*)?")


def test_citations_in_code_and_configurations_exist() -> None:
    broken, cited = set(), 0
    for path in [*PYTHON_FILES, *CONFIGS, ROOT / "CITATION.cff"]:
        text = re.sub(r"\n *# ?", "\n", read(path)) if path.suffix == ".yaml" else read(path)
        for citation in CITATION.findall(text):
            target, *_ = citation.split("#")
            for anchor in re.findall(r"#([\w-]+)", citation) or [""]:
                cited += 1
                if fault := missing(ROOT / target, anchor):
                    broken.add(f"{name(path)}: {fault}")
    assert cited > 300
    assert not broken


@pages
def test_configurations_exist(page: Path) -> None:
    text = read(page)
    paths = re.findall(rf"\b((?:{YAML_FOLDERS})/[\w*{{}},]+\.yaml)", text)
    paths += [f"{folder}/{name}.yaml" for folder, name in named_in_columns(text)]
    if name(page) in RUN_ELSEWHERE:
        paths = []
    found = {path for each in paths for path in alternatives(each) if not is_placeholder(path)}
    assert not {path for path in found if not list(ROOT.glob(path))}


def named_in_columns(text: str) -> list[tuple[str, str]]:
    """Return folder and name from the tables whose columns are headed by a folder of configurations."""
    found = []
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        head, _, *rows = [re.split(r"(?<!\\)\|", row)[1:-1] for row in table.splitlines()]
        for column, title in enumerate(head):
            if folder := re.search(rf"`({YAML_FOLDERS})/`", title):
                spans = [span for row in rows for span in code_spans(row[column])]
                found += [(folder[1], span) for span in spans if re.fullmatch(r"[\w*{},]+", span)]
    return found


def test_columns_of_configurations_are_read() -> None:
    assert ("configs/demo", "selavi") in named_in_columns(read(ROOT / "README.md"))


def page_commands(page: Path) -> list[list[str]]:
    return [words for words in commands(read(page)) if words]


def with_alternatives(words: list[str]) -> list[list[str]]:
    """Return the commands that one with ``{a,b}`` in it stands for."""
    return [shlex.split(each) for each in alternatives(shlex.join(words).replace("'", ""))]


CLI_COMMANDS = sorted(
    {
        tuple(each)
        for page in PAGES
        if name(page) not in RUN_ELSEWHERE
        for words in page_commands(page)
        if "cli.py" in words and "..." not in words
        for each in with_alternatives(words[words.index("cli.py") + 1 :])
        if each and each[0] in EXPERIMENTS
    }
)


class Command(Parsed):
    def before_instantiate_classes(self) -> None:
        """Look for no checkpoint."""


def configuration_files(words: tuple[str, ...]) -> list[str]:
    return [value for option, value in pairwise(words) if option == "--config"]


def options(words: tuple[str, ...]) -> set[str]:
    return {re.split(r"[+=]", word)[0] for word in words if word.startswith("--")}


def needs_parsing(words: tuple[str, ...]) -> bool:
    """Return whether a command is more than one configuration; tests/system/test_configs.py parses those."""
    files = configuration_files(words)
    return not any(map(is_placeholder, files)) and (
        len(files) > 1 or bool(options(words) - {"--config", "--ckpt_path"})
    )


def test_there_are_commands() -> None:
    assert len(CLI_COMMANDS) > 40
    assert any(map(needs_parsing, CLI_COMMANDS))


def test_files_of_commands_exist() -> None:
    files = {each for words in CLI_COMMANDS for each in configuration_files(words)}
    assert not {each for each in files if not is_placeholder(each) and not (ROOT / each).exists()}


@pytest.mark.filterwarnings("ignore:LightningCLI's args")
@pytest.mark.parametrize("words", filter(needs_parsing, CLI_COMMANDS), ids=" ".join)
def test_commands_can_be_parsed(words: tuple[str, ...]) -> None:
    Command(list(words))


@pages
def test_other_programs_exist(page: Path) -> None:
    makefile = read(ROOT / "Makefile")
    for words in page_commands(page):
        match words:
            case ["make", target, *_] if not target.startswith(("PYTHON", "FAISS")):
                assert re.search(rf"^{target}:", makefile, re.MULTILINE), words
            case ["python", "-m", "unlabelled" | "unlabelled.commands", tool, *rest]:
                assert tool in (*TOOLS, *OF_CLI), words
                assert_options(rest, module_source(TOOLS.get(tool, "lightning_modules.embed_folder")))
            case ["python", "-m", module, *rest] if module.split(".")[0] in (*PACKAGES, "tools"):
                assert_options(rest, module_source(module))
            case ["python", script, *rest] if script.startswith(("benchmarks/", "tools/", "docs/")):
                assert_options(rest, read(ROOT / script))


def module_source(module: str) -> str:
    """Return the source of a module that can be run, or of all modules of a package that can."""
    path = ROOT / module.replace(".", "/")
    if path.with_suffix(".py").exists():
        return read(path.with_suffix(".py"))
    assert any((path / name).exists() for name in ("__main__.py", "main.py")), f"{module} cannot be run"
    return "\n".join(map(read, sorted(path.glob("*.py"))))


def assert_options(words: list[str], source: str) -> None:
    """Options after ``--options``, the last one, are those of the runs that a program starts."""
    own = words[: words.index("--options") + 1] if "--options" in words else words
    for word in own:
        if word.startswith("--"):
            assert f'"{word.partition("=")[0]}"' in source, word


DOTTED = re.compile(rf"(?<![\w./-])((?:{'|'.join(PACKAGES)})(?:\.\w+)+)(?![\w/-])")


@pages
def test_dotted_names_exist(page: Path) -> None:
    found = {dotted for dotted in DOTTED.findall(read(page)) if not dotted.endswith((".py", ".egg"))}
    if name(page) in RUN_ELSEWHERE:
        found = {dotted for span in code_spans(read(page)) for dotted in DOTTED.findall(span)}
    assert not {dotted for dotted in found if not resolves(dotted)}


def resolves(dotted: str) -> bool:
    """Return whether a dotted name is a module or an attribute; of classes also one that objects get."""
    parts = dotted.split(".")
    for number in range(len(parts), 0, -1):
        module = ".".join(parts[:number])
        if module not in KNOWN:
            continue
        value: object = importlib.import_module(module)
        for part in parts[number:]:
            if not hasattr(value, part):
                return isinstance(value, type) and is_set_in(value, part)
            value = getattr(value, part)
        return True
    return False


def is_set_in(kind: type, attribute: str) -> bool:
    """Return whether a class or a base of it annotates or sets an attribute of its objects."""
    for base in kind.__mro__:
        path = KNOWN.get(base.__module__)
        if attribute in getattr(base, "__annotations__", {}):
            return True
        if path is not None and re.search(rf"self\.{attribute}\b.*=", read(path)):
            return True
    return False


KNOWN = modules(ROOT)


@pages
def test_python_blocks_run(page: Path) -> None:
    """Run the blocks of a page in order, in one namespace; those marked ``{ .python .no-run }`` compile."""
    namespace: dict[str, object] = {}
    for info, code in blocks(read(page), "python"):
        compiled = compile(code, name(page), "exec")
        if ".no-run" not in info and name(page) not in RUN_ELSEWHERE:
            exec(compiled, namespace)


@pytest.mark.parametrize("tutorial", TUTORIALS, ids=name)
def test_tutorials_become_pages(tutorial: Path) -> None:
    page = as_markdown(read(tutorial))
    assert page.startswith("# ")
    assert list(blocks(page, "python"))


def test_cells_become_text_and_code() -> None:
    source = "# %% [markdown]\n# # Title\n#\n# Text.\n\n# %%\nx = 1\n\n# %% [markdown]\n# More.\n"
    assert as_markdown(source) == "# Title\n\nText.\n\n```python\nx = 1\n```\n\nMore.\n"


@pages
def test_equations_are_converted(page: Path) -> None:
    text, equations = take_equations(read(page))
    assert all(each.startswith("<math") for each in equations)
    assert "$" not in re.sub(r"`[^`]*`", "", without_blocks(text))


def test_an_unknown_command_of_an_equation_is_an_error() -> None:
    assert take_equations(r"`$a$` and $x_1$")[0] == "`$a$` and equation0noitauqe"
    with pytest.raises(ValueError, match="nosuch"):
        take_equations(r"$\nosuch x$")


@pytest.mark.parametrize("path", CONFIGS, ids=name)
def test_commands_of_configurations_name_existing_files(path: Path) -> None:
    header = re.match(r"(?:#.*\n)*", read(path))
    assert header is not None
    named = re.findall(r"--config[= ](configs/[\w/{},*]+\.yaml)", header[0])
    assert not {
        each
        for written in named
        for each in alternatives(written)
        if not is_placeholder(each) and not list(ROOT.glob(each))
    }


def test_every_folder_is_in_the_layout() -> None:
    rows = re.findall(r"^\| `([\w.]+)` \|", read(ROOT / "docs" / "layout.md"), re.MULTILINE)
    folders = [row for row in rows if row in {*FOLDERS, "unlabelled.data"}]
    assert folders == sorted({*FOLDERS, "unlabelled.data"}, key=[*FOLDERS, "unlabelled.data"].index), (
        "the table of docs/layout.md has the order of tests/test_layers.py"
    )


def test_every_contract_is_in_the_layout() -> None:
    import unlabelled.contracts

    _, _, section = read(ROOT / "docs" / "layout.md").partition("## Contracts")
    rows = re.findall(r"^\| `(\w+)` \|(.*)\|$", section, re.MULTILINE)
    assert sorted(row for row, _ in rows) == sorted(unlabelled.contracts.__all__)


def exporting_packages() -> list[str]:
    """Return the packages with ``__all__``, those of commands aside."""
    return [
        module
        for module, path in KNOWN.items()
        if path.name == "__init__.py" and not module.startswith("unlabelled.commands")
        if any(
            isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
            for node in ast.parse(read(path)).body
        )
    ]


def test_every_package_has_a_reference_page() -> None:
    text = "\n".join(read(path) for path in (ROOT / "docs" / "api").glob("*.md"))
    documented = set(re.findall(r"^::: ([\w.]+)$", text, re.MULTILINE))
    assert {package for package in documented if package not in KNOWN} == set()
    assert not {
        package
        for package in exporting_packages()
        if package not in documented and package.rpartition(".")[0] not in documented
    }


CONFIGS = sorted((ROOT / "configs").rglob("*.yaml"))
TAG = re.compile(r"\[([A-Za-z]\w*)\]")


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: str(path.relative_to(ROOT)))
def test_tags_of_sources_are_explained_in_the_header(path: Path) -> None:
    """``lr: 0.5  # [code]`` is of use only if the head of the file names the repository and the file."""
    lines = read(path).splitlines()
    length = next((number for number, line in enumerate(lines) if not line.startswith("#")), len(lines))
    header, comments = lines[:length], [line.partition("#")[2] for line in lines[length:]]
    explained = {tag for line in header for tag in TAG.findall(line)}
    assert {tag for comment in comments for tag in TAG.findall(comment)} <= explained
