"""Trees in the Newick format, with nodes of any number of children.

Source: Olsen 1990, https://phylipweb.github.io/phylip/newick_doc.html: names in quotation marks, comments in
square brackets, branch lengths after colons.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from unlabelled.hierarchy.base import with_average_heights
from unlabelled.hierarchy.leaves import Leaves
from unlabelled.hierarchy.linkage_by_size import link_by_size
from unlabelled.hierarchy.tree import Tree

_TOKENS = re.compile(r"\s*(?:(\[[^\]]*\])|('(?:[^']|'')*')|([(),:;])|([^\s(),:;\[\]']+))")


@dataclass(eq=False)
class Node:
    """A node of a tree; a leaf has no children.

    Attributes:
        name: The name; empty: none.
        quoted: True if the name is in quotation marks, so that its underscores are no blanks.
        length: The length of the branch to the parent; None: not given.
        children: The nodes below.
    """

    name: str = ""
    quoted: bool = False
    length: float | None = None
    children: list[Node] = field(default_factory=list)


def parse_newick(text: str) -> Node:
    """Return the root of a tree in the Newick format.

    Raises:
        ValueError: The text is no tree; the message has the position.

    >>> root = parse_newick("((a:1,b:1):2,'it''s'[a comment])root;")
    >>> root.name, [child.name for child in root.children], root.children[0].length
    ('root', ['', "it's"], 2.0)
    """
    node = Node()
    above: list[Node] = []
    after_colon, ended = False, False
    for token, position in _tokens(text):
        if ended:
            raise _wrong(token, position, "the end, after the first ;")
        if token == "(":
            if node.name or node.children:
                raise _wrong(token, position, "a comma before it")
            above.append(node)
            node = _child(node)
        elif token in (",", ")"):
            if not above:
                raise _wrong(token, position, "it inside of parentheses")
            node = _child(above[-1]) if token == "," else above.pop()
        elif token == ";":
            ended = True
        elif token == ":":
            after_colon = True
            continue
        elif after_colon:
            node.length = _length(token, position)
        else:
            if node.name:
                raise _wrong(token, position, "one name; put a name with blanks in quotation marks")
            node.quoted = token.startswith("'")
            node.name = token[1:-1].replace("''", "'") if node.quoted else token
        after_colon = False
    if above or not ended:
        raise ValueError("the text ends early; a Newick tree ends with ; and closes all parentheses")
    return node


def leaves_of(root: Node) -> list[Node]:
    """Return the leaves from left to right."""
    return [node for node in _upwards(root) if not node.children]


def binary_tree(root: Node, numbers: Sequence[int], leaves: Leaves) -> tuple[Tree, int]:
    """Return the tree over the leaves, and the number of nodes with more than two children.

    The children of such a node are joined by average linkage. If all branches have lengths, the height of a
    node is the length of the longest way down to a leaf; else heights are those of average linkage.

    Args:
        root: The tree.
        numbers: The leaf of each leaf node, from left to right.
        leaves: The K leaves and their similarities.
    """
    number_of = dict(zip(map(id, leaves_of(root)), numbers, strict=True))
    nodes: dict[int, tuple[int, list[int], float]] = {}  # number in the tree, leaves, height
    merges: list[tuple[int, int]] = []
    heights: list[float] = []
    resolved = 0
    for node in _upwards(root):
        if not node.children:
            nodes[id(node)] = (number_of[id(node)], [number_of[id(node)]], 0.0)
            continue
        parts = [nodes.pop(id(child)) for child in node.children]
        height = max(part[2] + (child.length or 0) for part, child in zip(parts, node.children, strict=True))
        joined = [part[0] for part in parts]
        for left, right in _order(leaves, [part[1] for part in parts]):
            merges.append((joined[left], joined[right]))
            heights.append(height)
            joined.append(len(leaves) + len(merges) - 1)
        resolved += len(parts) > 2
        nodes[id(node)] = (joined[-1], [leaf for part in parts for leaf in part[1]], height)
    tree = Tree(merges)
    has_lengths = all(child.length is not None for node in _upwards(root) for child in node.children)
    return (tree.with_heights(heights) if has_lengths else with_average_heights(tree, leaves)), resolved


def _order(leaves: Leaves, parts: list[list[int]]) -> list[tuple[int, int]]:
    """Return the merges of the children of a node, given the leaves of each."""
    if len(parts) <= 2:
        return [(0, 1)][: len(parts) - 1]
    members = np.zeros((len(parts), len(leaves)))
    for number, part in enumerate(parts):
        members[number, part] = leaves.counts[part]
    sizes = members.sum(1)
    means = members @ leaves.similarity @ members.T / np.outer(sizes, sizes)
    tree = link_by_size(means.max() - means, sizes, ward=False)
    return [(int(left), int(right)) for left, right in tree.merges]


def _upwards(root: Node) -> list[Node]:
    """Return all nodes, children first, and leaves from left to right."""
    downwards, nodes = [root], []
    while downwards:
        node = downwards.pop()
        nodes.append(node)
        downwards += node.children
    return nodes[::-1]


def _child(parent: Node) -> Node:
    parent.children.append(Node())
    return parent.children[-1]


def _tokens(text: str) -> list[tuple[str, int]]:
    tokens, position = [], 0
    end = len(text.rstrip())
    while position < end:
        match = _TOKENS.match(text, position)
        if match is None:
            raise ValueError(f"character {position + 1} ({text[position]!r}) is no part of a Newick tree")
        if match.group(1) is None:
            token = match.group(match.lastindex or 0)
            tokens.append((token, match.end() - len(token)))
        position = match.end()
    return tokens


def _length(token: str, position: int) -> float:
    try:
        length = float(token)
    except ValueError:
        length = math.nan
    if not 0 <= length < math.inf:
        raise _wrong(token, position, "a branch length of at least 0")
    return length


def _wrong(token: str, position: int, expected: str) -> ValueError:
    return ValueError(f"found {token!r} at character {position + 1}; expected {expected}")
