"""Several sound sources: matching, cIoU by class and area of silent classes, by hand."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.demos.boring_classes import BoringModel
from torch import Tensor

from callbacks.evaluation.localisation import Localisation
from callbacks.evaluation.multi_source_localisation import MultiSourceLocalisation
from tests._helpers.embedding_modules import trainer
from tests._helpers.localisation_modules import BrightnessLocaliser, SquareData
from tests._helpers.two_processes import in_two_processes
from unlabelled.losses.sound_maps import Localised
from unlabelled.metrics.multi_source import class_maps, class_overlap, match_clusters, silent_area

LEFT, RIGHT = torch.tensor([[0.0, 0, 0.5, 1]]), torch.tensor([[0.5, 0, 1, 1]])


def halves(left: float, right: float) -> Tensor:
    return torch.tensor([[left, left, right, right]] * 4)


def test_clusters_are_matched_one_to_one_first() -> None:
    shares = torch.tensor([[6.0, 3, 1, 0], [60, 20, 10, 10]])  # both classes prefer cluster 0
    assert match_clusters(shares).tolist() == [1, 0, 0, 1]
    assert match_clusters(torch.tensor([[1.0], [2.0]])).tolist()[0] in (0, 1)


def test_maps_of_classes_are_the_largest_of_their_clusters() -> None:
    clusters = torch.stack([halves(0.9, 0), halves(0.1, 0.3), halves(0, 0.7)])[None]
    maps = class_maps(clusters, torch.tensor([2, 0, 0]), 3)
    torch.testing.assert_close(maps[0], torch.stack([halves(0.1, 0.7), halves(0, 0), halves(0.9, 0)]))


def test_overlap_is_the_mean_over_sounding_classes() -> None:
    maps = torch.stack([halves(1, 0), halves(1, 0.6), halves(0, 0.1)])
    assert class_overlap(maps, {0: LEFT}, 0.5) == 1
    assert class_overlap(maps, {0: LEFT, 1: RIGHT}, 0.5) == pytest.approx((1 + 0.5) / 2)
    assert class_overlap(maps, {0: LEFT, 1: RIGHT}, 0.7) == pytest.approx((1 + 0) / 2)
    assert class_overlap(maps, {1: torch.cat([LEFT, RIGHT])}, 0.5) == 1  # the union of boxes
    with pytest.raises(ValueError, match="no sounding class"):
        class_overlap(maps, {}, 0.5)


def test_silent_maps_should_be_empty() -> None:
    maps = torch.stack([halves(1, 0), halves(1, 0.6), halves(0, 0.1)])
    assert silent_area(maps, [1]) == pytest.approx((0.5 + 1) / 2)
    assert silent_area(maps, [0, 1]) == 1
    assert math.isnan(silent_area(maps, [0, 1, 2]))


class TwoClasses(SquareData):
    """Rows of even number have class 0, others class 1."""

    class_names = ("even", "odd")

    def class_boxes(self, split: str, row: int, second: float) -> dict[int, Tensor]:
        return {row % 2: self.boxes(split, row, second)}


class Clusters(BrightnessLocaliser):
    """Two clusters, of which one is the white box of a row: the first one in odd rows."""

    def localise(self, batch: Any) -> Localised:
        maps = super().localise(batch).maps
        odd = (batch["index"] % 2 == 1).view(-1, 1, 1)
        return Localised(maps, torch.stack([torch.where(odd, maps, 0), torch.where(odd, 0, maps)], 1))


def test_maps_that_are_the_boxes_are_perfect(capsys: pytest.CaptureFixture[str]) -> None:
    (scores,) = trainer(MultiSourceLocalisation(size=16)).test(Clusters(), TwoClasses(), verbose=False)
    expected = dict.fromkeys(("ciou_0.3", "ciou_0.5", "ciou_auc", "nsa"), 1.0)
    assert scores == pytest.approx({f"test/multi_{name}": value for name, value in expected.items()})
    assert "several sound sources, test (level 0.5)" in capsys.readouterr().out


def test_what_cannot_be_evaluated(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        trainer(MultiSourceLocalisation()).test(Clusters(), SquareData(), verbose=False)
    assert "idle, as the data have no boxes by class" in caplog.text
    with pytest.raises(MisconfigurationException, match="which BoringModel is not"):
        trainer(MultiSourceLocalisation()).test(BoringModel(), verbose=False)
    with pytest.raises(ValueError, match="level=1"):
        MultiSourceLocalisation(level=1)


def _broken_on_one_rank(folder: str) -> list[str]:
    data, errors = TwoClasses(), []
    data.splits["test"].images[3] = torch.nan
    for callback in (Localisation(size=16, num_drawn_clips=0), MultiSourceLocalisation(size=16)):
        with pytest.raises(ValueError, match="NaN") as error:
            trainer(callback, devices=2, strategy="ddp").test(Clusters(), data, verbose=False)
        errors.append(str(error.value))
    return errors


def test_all_ranks_refuse_the_broken_map_of_one(tmp_path: Path) -> None:
    both = in_two_processes(_broken_on_one_rank, tmp_path)
    assert both[0] == both[1]
    assert [error.split(";")[0] for error in both[0]] == [
        "localisation: 1 of 19 maps hold NaN or infinity",
        "localisation: 1 of 19 maps hold NaN or infinity",
    ]
