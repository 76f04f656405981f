"""Explain a wrong configuration in one line: the key, the expected value and the nearest right name."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from unlabelled.commands.errors.parser_message import Finding, deepest
from unlabelled.commands.errors.suggestions import (
    hint,
    import_path,
    known_classes,
    nearest,
    nearest_class,
    options_of,
    subclasses,
)
from unlabelled.commands.errors.user_files import location, unreadable
from unlabelled.renamed import CLASSES, present_option

_LONGEST = 300
_SPEC_KEYS = ("class_path", "init_args")


def explain(message: str, options: Sequence[str] = (), files: Sequence[str] = ()) -> str:
    """Return a message of jsonargparse as one line.

    Args:
        message: The argument of ``ArgumentParser.error`` in jsonargparse 4.53. If no rule matches, the line
            has the key and the cause in jsonargparse's words.
        options: Dotted names of all options of the command.
        files: The given configuration files; the line number of the mistake is added if it is found in one
            line.

    >>> explain("unrecognized arguments: --trainer.max_epoch=3", ["trainer.max_epochs", "trainer.devices"])
    '--trainer.max_epoch: no such option; did you mean --trainer.max_epochs?'
    >>> explain("the following arguments are required: config")
    'config: missing; give --config, or a --config that has it'
    """
    if message.startswith(("Problems parsing config", "Unexpected config")):
        return _shorten(unreadable(files) or message)
    finding = deepest(message)
    for pattern, explanation in _RULES:
        if match := re.search(pattern, finding.text):
            text, token = explanation(finding, match, options)
            return _shorten(text) + location(token, files)
    return _shorten(f"{finding.key}: {finding.text}" if finding.path else finding.text)


def _shorten(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."


def _option(finding: Finding, match: re.Match[str], options: Sequence[str]) -> tuple[str, str]:
    name = match[1].partition(".")[0]
    if unexpected := _unexpected_keys(finding.value):
        key = unexpected[0]
        return f"{finding.key}.{key}: expected class_path and init_args{hint(key, _SPEC_KEYS)}", re.escape(
            key
        )
    if finding.owner is None:
        return _root_option(name, options)
    if renamed := present_option(finding.owner, name):
        return f"{finding.key}.init_args.{name}: called {renamed} now", re.escape(name) + r"\s*:"
    names = options_of(finding.owner)
    text = f"{finding.key}.init_args.{name}: {_short(finding.owner)} has no such option{hint(name, names)}"
    return text, re.escape(name) + r"\s*:"


def _short(class_path: str) -> str:
    return class_path.rpartition(".")[2]


def _unexpected_keys(value: str) -> list[str]:
    """Return the keys of a class's specification other than ``class_path`` and ``init_args``."""
    try:
        spec = ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return []
    if not isinstance(spec, dict) or "class_path" not in spec:
        return []
    return [str(key) for key in spec if key not in (*_SPEC_KEYS, "dict_kwargs")]


def _group_option(finding: Finding, match: re.Match[str], options: Sequence[str]) -> tuple[str, str]:
    return _root_option(f"{match[1]}.{match[2]}", options)


def _command_option(finding: Finding, match: re.Match[str], options: Sequence[str]) -> tuple[str, str]:
    return _root_option(match[1], options)


def _root_option(name: str, options: Sequence[str]) -> tuple[str, str]:
    """Explain a wrong option that belongs to no class; its first or its second part may be wrong."""
    group = name.partition(".")[0]
    groups = [each for each in dict.fromkeys(each.partition(".")[0] for each in options) if each != "help"]
    if group in groups:
        near = nearest(name, [option for option in options if option.startswith(f"{group}.")])
    else:
        near = nearest(group, groups)
        name = group
    suggestion = f"; did you mean {near}?" if near else f"; there are {', '.join(groups)}"
    return f"{name}: no such option{suggestion}", re.escape(name.rpartition(".")[2]) + r"\s*:"


def _unrecognized(finding: Finding, match: re.Match[str], options: Sequence[str]) -> tuple[str, str]:
    given = match[1].split()[0]
    if not given.startswith("-"):
        return f"{given}: unexpected; options are written --name VALUE", ""
    name, _, rest = given.lstrip("-").partition("=")[0].partition(".")
    text, _ = _root_option(f"{name}.{rest}" if rest else name, options)
    return re.sub(r"(^|did you mean )", r"\1--", text), ""


def _before_command(finding: Finding, match: re.Match[str], options: Sequence[str]) -> tuple[str, str]:
    return f"options come after the command: {match[1]} --config FILE ...", ""


def _class(finding: Finding, match: re.Match[str], options: Sequence[str]) -> tuple[str, str]:
    path = match[1] if finding.owner is None else finding.owner
    near = CLASSES.get(path) or nearest_class(path, _base(finding.types))
    key = f"{finding.key}.class_path" if finding.path else "class_path"
    return f"{key}: no class '{path}'" + (f"; did you mean {near}?" if near else ""), re.escape(path)


def _wrong_class(finding: Finding, match: re.Match[str], options: Sequence[str]) -> tuple[str, str]:
    path, base = match[1], match[2]
    bases = [
        _base(finding.types),
        *(import_path(each) for each in known_classes() if each.endswith(f".{base}")),
    ]
    names = next((found for each in bases if isinstance(each, type) and (found := subclasses(each))), [])
    choice = f", such as {nearest(path, names) or names[0]}" if names else ""
    return f"{finding.key}.class_path: '{path}' is no {base}{choice}", re.escape(path)


def _base(types: str) -> type | None:
    """Return the last member of a Union that is a class with known subclasses."""
    for path in reversed(re.findall(r"[A-Za-z_][\w.]*\.\w+", types)):
        if isinstance(found := import_path(path), type) and subclasses(found):
            return found
    return None


def _required(finding: Finding, match: re.Match[str], options: Sequence[str]) -> tuple[str, str]:
    if finding.owner is not None:
        return f"{finding.key}.init_args: {_short(finding.owner)} needs {match[1]}", ""
    names = [name.partition(".")[2] or name for name in match[1].split(", ")]
    flags = " and ".join(f"--{name}" for name in names)
    return f"{', '.join(names)}: missing; give {flags}, or a --config that has it", ""


def _value(finding: Finding, match: re.Match[str], options: Sequence[str]) -> tuple[str, str]:
    types = _types(finding.types or f"[{match[1]}]")
    value = finding.value if match[2] is None else match[2]
    if nested := re.match(r"NestedArg\(key='.*?', val='?(.*?)'?\)$", value):
        value = nested[1]
    *others, last = types
    expected = f"{', '.join(others)} or {last}" if others else last
    literal = "Literal" in finding.types + match[1] and not value.isdigit()
    suggestion = hint(value, types, longest_list=0) if literal else ""
    leaf = re.escape(finding.key.rpartition(".")[2])
    text = f"{finding.key}: expected {expected}, got {_quoted(value)}{suggestion}"
    return text, rf"{leaf}\s*:\s*['\"]?{re.escape(value)}"


def _types(members: str) -> list[str]:
    """Return the members of a Union by short names: ``int`` for ``<class 'int'>``, ``null`` for None."""
    plain = re.sub(r"<class '([^']+)'>", r"\1", members.strip()[1:-1])
    plain = re.sub(r"(?:[A-Za-z_]\w*\.)+(\w+)", r"\1", plain)
    plain = re.sub(r"Literal\[([^\]]*)\]", r"\1", plain).replace("'", "")
    parts = re.split(r",\s*(?![^\[]*\])", plain)
    return ["null" if part == "NoneType" else part for part in dict.fromkeys(parts)]


def _quoted(value: str) -> str:
    plain = re.fullmatch(r"-?[\d.]+|True|False|None|[\[{(].*|\w+\(.*", value)
    return value if plain else f"'{value}'"


def _not_a_class(finding: Finding, match: re.Match[str], options: Sequence[str]) -> tuple[str, str]:
    text = f"{finding.key}: expected a {match[1]} (class_path and init_args), got {_quoted(finding.value)}"
    return text, ""


def _no_mapping(finding: Finding, match: re.Match[str], options: Sequence[str]) -> tuple[str, str]:
    return f"{finding.key}.init_args: expected options by name (NAME: VALUE)", r"init_args\s*:\s*[^\s{]+"


def _no_file(finding: Finding, match: re.Match[str], options: Sequence[str]) -> tuple[str, str]:
    path = Path(match[2])
    path = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    near = nearest(str(path), [str(each) for each in Path("configs").rglob("*.yaml")])
    suggestion = f"; did you mean {near}?" if near else ""
    return f"--{finding.key}: {match[1].lower()}: {path}{suggestion}", ""


def _unchanged(finding: Finding, match: re.Match[str], options: Sequence[str]) -> tuple[str, str]:
    return match[1], ""


_Explanation = Callable[[Finding, "re.Match[str]", Sequence[str]], tuple[str, str]]
"""Return the line, and a regular expression for the mistake in a configuration file; empty: unknown."""
_RULES: Sequence[tuple[str, _Explanation]] = (
    (r"^Option '.*' is not accepted before subcommand '(\w+)'", _before_command),
    (r"^Option '([^']+)' is not accepted", _option),
    (r"^Subcommand '\w+' does not accept option '([^']+)'", _command_option),
    (r"^Group '(\w+)' does not accept option '([^']+)'", _group_option),
    (r"^unrecognized arguments: (.*)", _unrecognized),
    (r"^module '[^']+' has no attribute '([^']+)'", _class),
    (r"^No module named '([^']+)'", _class),
    (r"^Expected a dot import path string: (\S+)", _class),
    (r"^Import path (\S+) does not correspond to a subclass of (\w+)", _wrong_class),
    (r"^the following arguments are required: (.*)", _required),
    (r"^(File does not exist|Path is not a file): '(.*)'", _no_file),
    (r"^'\w+' object has no attribute", _no_mapping),
    (r"^Not a valid subclass of (\w+)", _not_a_class),
    (r"^Expected an? (.*?)(?:\. Got value: (.*))?$", _value),
    (r"^argument (--\S+: .*)", _unchanged),
)
