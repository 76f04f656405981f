"""Export to FiftyOne, by a stand-in for the parts of its interface that are used."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from tests._helpers import small_page
from unlabelled.page import Additions, PagePlan, write_page
from unlabelled.page.fiftyone_dataset import check_fiftyone


class Dataset:
    """A data set that keeps its samples."""

    made: ClassVar[dict[str, Dataset]] = {}

    def __init__(self, name: str) -> None:
        self.samples: list[Any] = []
        self.persistent = False
        self.made[name] = self

    def add_samples(self, samples: list[Any]) -> None:
        self.samples += samples


@pytest.fixture
def datasets(monkeypatch: pytest.MonkeyPatch) -> dict[str, Dataset]:
    monkeypatch.setattr(Dataset, "made", {})
    module = SimpleNamespace(
        Dataset=Dataset,
        Sample=lambda **fields: SimpleNamespace(**fields),
        Classification=lambda **fields: SimpleNamespace(**fields),
        dataset_exists=lambda name: name in Dataset.made,
    )
    monkeypatch.setitem(sys.modules, "fiftyone", module)
    return Dataset.made


def test_the_samples_of_a_page_become_a_dataset(tmp_path: Path, datasets: dict[str, Dataset]) -> None:
    samples = small_page.samples([f"/gone/{row}.png" for row in range(12)], ["a", ""] * 6)
    check_fiftyone("new")
    write_page(samples, small_page.features(12), tmp_path, PagePlan("t"), Additions(fiftyone="new"))
    made = datasets["new"]
    assert made.persistent
    assert [each.filepath for each in made.samples] == samples.paths
    first = made.samples[0]
    assert first.cluster.label in ("Cluster 1", "Cluster 2")
    assert first.cluster.label == made.samples[1].cluster.label != made.samples[4].cluster.label
    assert first.cluster.confidence == pytest.approx(0.99)
    assert (first.ground_truth.label, first.tags) == ("a", ["train"])
    assert not hasattr(made.samples[1], "ground_truth")
    assert not hasattr(first, "end")
    assert first.features.shape == (10,)
    assert first.nearest in samples.paths[1:]
    with pytest.raises(ValueError, match="there is such a dataset"):
        check_fiftyone("new")


def test_without_the_package_it_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fiftyone", None)
    with pytest.raises(ValueError, match="--fiftyone requires the package fiftyone"):
        check_fiftyone("new")
