"""Run demos and one recipe of each kind of SeLa, DeepCluster, DeepCluster-v2 and XDC, with tiny settings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

import cli
from tests._helpers import dataset_folders as layouts
from tests._helpers.shrink import shrink
from tests.conftest import ROOT

DEMOS = [
    ROOT / "configs" / "demo" / f"{name}.yaml"
    for method in ("sela", "deepcluster", "deepcluster_v2")
    for name in (method, f"{method}_images")
] + [ROOT / "configs" / "demo" / f"{name}.yaml" for name in ("sela_audio", "xdc")]
RECIPES = {
    path.stem: path
    for path in sorted((ROOT / "configs" / "recipes").glob("*.yaml"))
    if path.stem.startswith(("sela_", "deepcluster_", "xdc_", "sdc_", "mdc_", "cdc_"))
}
SIBLINGS = {"sdc_kinetics400": "own", "mdc_kinetics400": "both", "cdc_kinetics400": "concatenated"}
RUN = [
    "deepcluster_imagenet",
    "deepcluster_v2_imagenet",
    "deepcluster_v2_vggsound_audio",
    "sela_imagenet",
    "sela_vggsound",
    "sela_vggsound_audio",
]


@pytest.fixture(scope="module")
def roots(tiny_root: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    images = layouts.image_folders(tmp_path_factory.mktemp("images"))
    return {"Embedded": tiny_root, "VGGSound": tiny_root, "images": images}


def _content(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(path.read_text())
    return content


def _tiny(path: Path, roots: dict[str, Path], out: Path) -> list[str]:
    """Return the options of a run; a folder with few classes replaces image data sets."""
    data = _content(path)["data"]["class_path"].removeprefix("datamodules.")
    options = [f"--config={path}"] + (["--data=datamodules.ImageFolder"] if data not in roots else [])
    options += [
        f"--config={shrink(path, out, 9)}",
        f"--data.init_args.root={roots.get(data, roots['images'])}",
    ]
    if data in roots:
        options.append("--data.init_args.index_workers=0")
    if "CachedReader" in path.read_text():
        options.append("--data.init_args.reader=unlabelled.data.media.PyAVReader")
    return options


def _fit(options: list[str], out: Path) -> dict[str, Any]:
    """Run one epoch of three batches: one clustering pass, or two if features of steps are remembered."""
    short = ["--trainer.max_epochs=1", "--trainer.limit_train_batches=3", "--trainer.limit_val_batches=2"]
    assert cli.main(["fit", *options, *short]) == 0
    checkpoint: dict[str, Any] = torch.load(out / "checkpoints" / "last.ckpt", weights_only=True)
    assert checkpoint["global_step"] == 3
    labels = checkpoint["pseudo_labels"]
    assert labels.min() >= 0
    assert (labels.amax(0) > labels.amin(0)).all()  # every head has several clusters
    return checkpoint


@pytest.mark.parametrize("name", RUN)
def test_a_recipe_trains(name: str, roots: dict[str, Path], tmp_path: Path) -> None:
    checkpoint = _fit(_tiny(RECIPES[name], roots, tmp_path), tmp_path)
    if "projector" in _content(RECIPES[name])["model"]["init_args"]:
        (prototypes,) = [value for key, value in checkpoint["state_dict"].items() if "prototypes" in key]
        torch.testing.assert_close(prototypes.norm(dim=2), torch.ones(prototypes.shape[:2]))


@pytest.fixture
def _no_new_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datamodules.embedded.write_embedded", lambda *arguments: None)


@pytest.mark.usefixtures("_no_new_data")
@pytest.mark.parametrize("path", DEMOS, ids=lambda path: path.stem)
def test_a_demo_trains(path: Path, roots: dict[str, Path], tmp_path: Path) -> None:
    _fit(_tiny(path, roots, tmp_path), tmp_path)


@pytest.mark.usefixtures("_no_new_data")
def test_a_demo_is_evaluated(
    roots: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["test", *_tiny(DEMOS[-1], roots, tmp_path)]) == 0
    table = capsys.readouterr().out
    assert all(title in table for title in ("k-NN, test", "k-means, test", "retrieval"))


def test_other_recipes_have_the_same_classes() -> None:
    """They differ in numbers or in the data set."""
    run = {name for path in (*DEMOS, *(RECIPES[name] for name in RUN)) for name in _classes(_content(path))}
    others = [path for name, path in RECIPES.items() if name not in RUN]
    assert len(others) == 6
    for path in others:
        assert set(_classes(_content(path))) - run <= {"datamodules.Kinetics", "datamodules.CIFAR10"}


def _classes(node: Any) -> Iterator[str]:
    """Yield the names of all classes at and below a node."""
    if isinstance(node, dict):
        if "class_path" in node:
            yield node["class_path"]
        node = list(node.values())
    for each in node if isinstance(node, list) else []:
        yield from _classes(each)


def test_the_variants_of_xdc_differ_in_the_teacher_only() -> None:
    xdc = RECIPES["xdc_kinetics400"].read_text()
    for name, teacher in SIBLINGS.items():
        sibling = _content(RECIPES[name])
        assert sibling["model"]["init_args"].pop("teacher") == teacher
        expected = yaml.safe_load(xdc.replace("xdc_kinetics400", name))
        assert expected["model"]["init_args"].pop("teacher") == "other"
        assert sibling == expected
