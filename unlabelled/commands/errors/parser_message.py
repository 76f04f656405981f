"""Find the cause in jsonargparse's message about a wrong configuration.

The message is an indented tree (jsonargparse 4.53). Its inner nodes are configuration keys, classes and the
members of a Union; the leaves are possible causes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

_KEY = re.compile(r'Parser key "([^"]+)"(?: element \d+)?:\s*(.*)')
_CLASS = re.compile(r"Problem with given class_path '([^']+)':")
_CALLABLE = re.compile(r"Type .* expects a function or a callable class: (.*)")
_SPEC = re.compile(r"Got value: Namespace\(class_path='([^']+)'")
_BOILERPLATE = ("Does not validate", "Subtypes: ", "Given value", "Expected a path but", "Errors:")
_GENERIC = ("Expected a <class 'NoneType'>", "Not a valid subclass", "Expected a <class 'list'>")


@dataclass
class _Node:
    indent: int
    text: str
    children: list[_Node] = field(default_factory=list)

    def all_text(self) -> str:
        return " ".join([self.text, *(child.all_text() for child in self.children)])


@dataclass
class Finding:
    """A possible cause in the message.

    Args:
        path: The parts of the configuration key.
        text: The cause in jsonargparse's words.
        owner: The class that has the wrong option, if any.
        types: The members of the Union that the value does not match.
        value: The wrong value, as Python prints it.
    """

    path: list[str]
    text: str
    owner: str | None = None
    types: str = ""
    value: str = ""

    @property
    def key(self) -> str:
        """The dotted key."""
        return ".".join(self.path)


def deepest(message: str) -> Finding:
    """Return the cause with the longest configuration key; of several, one that is no generic complaint."""
    found = list(_walk(_tree(message), Finding([], message)))
    if not found:
        return Finding([], message)
    return max(
        found, key=lambda each: (len(each.path) + bool(each.owner), not each.text.startswith(_GENERIC))
    )


def _tree(message: str) -> list[_Node]:
    root = _Node(-1, "")
    stack = [root]
    for line in message.splitlines():
        text = line.strip()
        indent = len(line) - len(line.lstrip())
        while text and stack[-1].indent >= indent:
            stack.pop()
        if text:
            stack[-1].children.append(_Node(indent, text.removeprefix("- ")))
            stack.append(stack[-1].children[-1])
    return root.children


def _walk(nodes: Sequence[_Node], above: Finding) -> Iterator[Finding]:
    types, value = _after(nodes, "Subtypes: "), _after(nodes, "Given value: ")
    if types or value:
        above = Finding(above.path, "", above.owner, types, value)
    for node in nodes:
        path = [*above.path, *(["init_args"] if above.owner else [])]
        if match := _KEY.match(node.text):
            rest = [_Node(node.indent, match[2])] if match[2] else []
            yield from _walk([*rest, *node.children], Finding([*path, match[1]], ""))
        elif match := _CLASS.match(node.text):
            yield from _walk(node.children, _item(above, match[1]))
        elif match := _CALLABLE.match(node.text):
            owner = _SPEC.search(node.all_text())
            inner = [_Node(node.indent, match[1], node.children)]
            yield from _walk(inner, Finding(above.path, "", owner[1] if owner else None))
        elif node.text == "Errors:":
            yield from _walk(node.children, above)
        elif not node.text.startswith(_BOILERPLATE):
            found = _item(above, above.owner) if node.text.startswith("Expected a dot import") else above
            yield Finding(found.path, _bare(node.text), found.owner, found.types, found.value)


def _after(nodes: Sequence[_Node], start: str) -> str:
    return next((_bare(node.text.removeprefix(start)) for node in nodes if node.text.startswith(start)), "")


def _bare(text: str) -> str:
    """Remove the specification at the end of a complaint about a callable."""
    return text.partition(". Got value: Namespace(")[0]


def _item(above: Finding, owner: str | None) -> Finding:
    """Return the wrong item of a list: the first one that is still a mapping or text, not an object."""
    begin, number, depth = None, 0, 0
    for position, character in enumerate(above.value if above.value.startswith("[") else ""):
        if begin is None and depth == 1 and character in "{'" and above.value[position - 1] in "[ ":
            begin = position
        depth += (character in "[({") - (character in "])}")
        if depth == 1 and character == "," and begin is None:
            number += 1
        elif begin is not None and (depth == 0 or (depth == 1 and character == ",")):
            path = [*above.path[:-1], f"{above.path[-1]}[{number}]"]
            return Finding(path, "", owner, above.types, above.value[begin:position])
    return Finding(above.path, "", owner, above.types, above.value)
