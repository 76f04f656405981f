"""The library that the page bundles is pinned, unchanged, has its licences, and makes no code at run time."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import unlabelled.page

FRONT = Path(unlabelled.page.__file__).parent / "front"
TOOLS = Path(__file__).parents[2] / "tools" / "front_end"


def test_the_bundle_is_the_one_of_the_lock_file() -> None:
    bundle = (FRONT / "d3.js").read_bytes()
    assert hashlib.sha256(bundle).hexdigest() == (TOOLS / "d3.sha256").read_text().split()[0]
    noted = dict(re.findall(r"^([\w-]+) (\S+) \((?:ISC|BSD-3-Clause)\)\. Copyright", bundle.decode(), re.M))
    packages = json.loads((TOOLS / "package-lock.json").read_text())["packages"]
    locked = {name.rpartition("/")[2]: each for name, each in packages.items()}
    assert noted.keys() >= {"d3-array", "d3-ease", "d3-polygon", "d3-quadtree", "d3-selection", "d3-zoom"}
    assert noted == {name: locked[name]["version"] for name in noted}
    assert all(locked[name]["integrity"].startswith("sha512-") for name in noted)
    wanted = json.loads((TOOLS / "package.json").read_text())["dependencies"]
    assert {name: noted[name] for name in wanted} == wanted


def test_scripts_can_stand_in_a_page() -> None:
    for path in FRONT.glob("*.js"):
        text = path.read_text("ascii")
        assert not re.search(r"</script|<!--|\beval\(|\bFunction\(|\bimport\(", text), path.name
