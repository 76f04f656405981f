"""Sound localisation and correspondence, compared with counts by hand."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.demos.boring_classes import BoringModel
from lightning.pytorch.loggers import TensorBoardLogger

from callbacks.evaluation.correspondence_evaluation import CorrespondenceEvaluation
from callbacks.evaluation.localisation import Localisation
from callbacks.shared.localised_clips import LocalisedClips
from tests._helpers.embedding_modules import trainer
from tests._helpers.localisation_modules import BrightnessLocaliser, SquareData
from tests._helpers.two_processes import in_two_processes
from unlabelled.losses.sound_maps import Localised
from unlabelled.metrics.correspondence import pair_contest


def scores_of(callback: Any, module: BrightnessLocaliser, data: SquareData | None = None) -> dict[str, float]:
    (scores,) = trainer(callback).test(module, data or SquareData(), verbose=False)
    return dict(scores)


def test_maps_that_are_the_boxes_are_perfect(capsys: pytest.CaptureFixture[str]) -> None:
    data = SquareData()
    scores = scores_of(Localisation("fixed", 0.5, size=16, num_drawn_clips=0), BrightnessLocaliser(), data)
    assert scores["test/ciou"] == scores["test/ciou_mean"] == 1
    assert scores["test/ciou_auc"] == pytest.approx(1)
    assert sorted(data.requested_boxes) == [("test", row, row / 4) for row in range(19)]
    assert "centred box" in capsys.readouterr().out
    inverted = scores_of(
        Localisation("fixed", 0.5, size=16, num_drawn_clips=0), BrightnessLocaliser(inverted=True)
    )
    assert inverted["test/ciou_mean"] == 0


def test_centred_box_by_hand() -> None:
    data = SquareData()
    scores = scores_of(Localisation(size=32, num_drawn_clips=0), BrightnessLocaliser(), data)
    boxes = data.splits["test"].boxes.numpy()
    width, height = (boxes[:, 2:] - boxes[:, :2]).mean(0)
    found = []
    ends = [int(32 * (0.5 + side / 2 * sign)) for side in (width, height) for sign in (-1, 1)]
    for x0, y0, x1, y1 in (boxes * 32).astype(int):
        inner = max(0, min(x1, ends[1]) - max(x0, ends[0])) * max(0, min(y1, ends[3]) - max(y0, ends[2]))
        area = (x1 - x0) * (y1 - y0)
        found.append(inner / (area + (ends[1] - ends[0]) * (ends[3] - ends[2]) - inner))
    assert scores["test/ciou_centred_mean"] == pytest.approx(np.mean(found))
    assert scores["test/ciou_centred"] == pytest.approx(np.mean(np.array(found) >= 0.5))


def test_half_of_the_frame_is_claimed_by_the_median_rule() -> None:
    data = SquareData()
    scores = scores_of(Localisation("median", 0.5, size=16, num_drawn_clips=0), BrightnessLocaliser(), data)
    # in a black image with a white box, only the box exceeds the median
    assert scores["test/ciou_mean"] == 1


def test_agreement_of_annotators() -> None:
    """Three of six required annotators have weight 1/2; the maps contain all pixels except one."""
    data = SquareData(annotators=3)
    data.box_agreement = 6.0
    held_out = data.splits["test"]
    held_out.images[:] = 1.0
    held_out.images[:, :, 15, 15] = 0.0  # no box reaches the corner
    scores = scores_of(Localisation("fixed", 0.5, size=16, num_drawn_clips=0), BrightnessLocaliser(), data)
    area = 256 * ((held_out.boxes[:, 2:] - held_out.boxes[:, :2]).prod(1)).numpy()
    assert scores["test/ciou_mean"] == pytest.approx(np.mean(area / 2 / (area / 2 + 255 - area)))


def test_replaced_clips_are_left_out_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    data = SquareData()
    held_out = data.splits["test"]
    held_out.columns["replaced"][3] = 7
    held_out.images[3] = 1 - held_out.images[3]
    held_out.columns["silent"][5] = True
    with caplog.at_level("INFO"):
        scores = scores_of(Localisation("fixed", size=16, num_drawn_clips=0), BrightnessLocaliser(), data)
        scores_of(CorrespondenceEvaluation(), BrightnessLocaliser(), data)
    assert scores["test/ciou_mean"] == 1
    assert "Localisation leaves out 1 clips" in caplog.text
    assert "CorrespondenceEvaluation leaves out 2 clips that are silent or" in caplog.text


def test_figures_are_drawn(tmp_path: Path) -> None:
    logger = TensorBoardLogger(tmp_path)
    trainer(Localisation(size=20, num_drawn_clips=3), logger=logger).test(
        BrightnessLocaliser(), SquareData(), verbose=False
    )
    folder = Path(logger.log_dir) / "figures"
    assert {path.stem for path in folder.glob("*.png")} == {
        "localisation_overlays",
        "localisation_clusters",
        "localisation_success",
    }


@pytest.mark.parametrize("threshold", [None, 0.0])
def test_true_pairs_win(threshold: float | None) -> None:
    scores = scores_of(CorrespondenceEvaluation(), BrightnessLocaliser(threshold=threshold))
    assert scores["test/pair_accuracy"] == 1
    assert ("test/two_way_accuracy" in scores) == (threshold is not None)
    if threshold is not None:
        assert scores["test/two_way_accuracy"] > 0.9
    inverted = scores_of(CorrespondenceEvaluation(), BrightnessLocaliser(inverted=True, threshold=threshold))
    assert inverted["test/pair_accuracy"] == 0


@pytest.mark.parametrize("mismatches", [1, 4, 50])
def test_contest_by_counting(mismatches: int) -> None:
    generator = torch.Generator().manual_seed(0)
    table = torch.randint(0, 5, (9, 9), generator=generator).double()

    def score(visual: torch.Tensor, audio: torch.Tensor) -> torch.Tensor:
        return table[visual, audio]

    rows = torch.arange(9)
    found = pair_contest(score, rows, rows, mismatches, threshold=2.0)
    distances = {1: [1], 4: [1, 3, 6, 8], 50: list(range(1, 9))}[mismatches]
    pairs = [(i, (i + d) % 9) for i in range(9) for d in distances]
    wins = {"audio": 0.0, "images": 0.0}
    for i, j in pairs:
        for name, own in (("audio", table[i, i]), ("images", table[j, j])):
            wins[name] += 1.0 * bool(own > table[i, j]) + 0.5 * bool(own == table[i, j])
    accuracies = found.accuracies()
    assert accuracies["pair_accuracy_audio"] == pytest.approx(wins["audio"] / len(pairs))
    assert accuracies["pair_accuracy_images"] == pytest.approx(wins["images"] / len(pairs))
    rejected = np.mean([bool(table[i, j] <= 2) for i, j in pairs])
    accepted = float((table.diagonal() > 2).double().mean())
    assert accuracies["two_way_accuracy"] == pytest.approx((rejected + accepted) / 2)


def test_before_training_is_kept_in_the_checkpoint(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, callbacks = (
        SquareData(),
        [Localisation("fixed", size=16, num_drawn_clips=0), CorrespondenceEvaluation()],
    )
    run = trainer(*callbacks, max_epochs=1, num_sanity_val_steps=1, default_root_dir=tmp_path)
    run.fit(BrightnessLocaliser(), datamodule=data)
    assert callbacks[0].before["untrained maps"]["ciou_mean"] == 1
    assert callbacks[1].before["pair_accuracy"] == 1
    assert run.callback_metrics["val/ciou_mean"] == 1
    assert run.callback_metrics["val/pair_accuracy"] == 1
    path = tmp_path / "last.ckpt"
    run.save_checkpoint(path)
    later = [Localisation("fixed", size=16, num_drawn_clips=0), CorrespondenceEvaluation()]
    trainer(*later).test(
        BrightnessLocaliser(inverted=True), data, ckpt_path=path, verbose=False, weights_only=False
    )
    assert later[0].before == callbacks[0].before
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["untrained", "maps", "1.000", "1.000", "1.000"] in lines
    assert ["untrained", "1.000", "1.000", "1.000"] in lines


def test_wrong_inputs_are_refused() -> None:
    for callback in (Localisation(), CorrespondenceEvaluation()):
        with pytest.raises(MisconfigurationException, match="which BoringModel is not"):
            trainer(callback).test(BoringModel(), verbose=False)
    with pytest.raises(MisconfigurationException, match="data module with boxes"):
        trainer(Localisation()).test(BrightnessLocaliser(), SquareData().test_dataloader(), verbose=False)
    data = SquareData()
    del data.splits["test"].columns["frame_second"]
    with pytest.raises(ValueError, match=r"frame_second.*use unlabelled.pipelines.FrameAndAudio"):
        scores_of(Localisation(), BrightnessLocaliser(), data)
    for options in ({"threshold": "otsu"}, {"level": 1.0}, {"size": 0}, {"num_drawn_clips": -1}):
        with pytest.raises(ValueError, match="expected median, fixed or rel_max"):
            Localisation(**options)
    with pytest.raises(ValueError, match="mismatches=0"):
        CorrespondenceEvaluation(0)
    few = SquareData()
    few.splits["test"].columns["silent"][1:] = True
    with pytest.raises(ValueError, match="1 clips with audio that is not silent; expected 2 or more"):
        scores_of(CorrespondenceEvaluation(), BrightnessLocaliser(), few)


def run(**options: Any) -> dict[str, float]:
    """Fit without learning, and test; return all scores."""
    data = SquareData()
    data.splits["val"].columns["silent"][[2, 6]] = True
    data.splits["test"].columns["replaced"][4] = 0
    callbacks = [Localisation("median", 0.7, size=24, num_drawn_clips=2), CorrespondenceEvaluation(6)]
    module = BrightnessLocaliser(threshold=-20.0)
    trainer(*callbacks, max_steps=1, num_sanity_val_steps=1, **options).fit(module, datamodule=data)
    scores = {f"before {row}": values["ciou_mean"] for row, values in callbacks[0].before.items()}
    scores |= {f"before {name}": value for name, value in callbacks[1].before.items()}
    for part in trainer(*callbacks, **options).test(module, data, verbose=False):
        scores |= part
    return scores


def _process(folder: str) -> Any:
    os.chdir(folder)
    return run(devices=2, strategy="ddp")


def test_two_processes_score_like_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    processes = in_two_processes(_process, tmp_path)
    monkeypatch.chdir(tmp_path)
    alone = run()
    assert {"before centred box", "test/ciou_centred_mean", "test/two_way_accuracy"} < set(alone)
    assert 0 < alone["test/two_way_accuracy"] < 1
    for found in processes:
        assert found == pytest.approx(alone)


def test_a_batch_without_any_readable_clip_is_left_out() -> None:
    data = SquareData()
    clips = LocalisedClips(data, "val", "median", 0.5, 16)
    replaced = {
        "index": torch.tensor([0]),
        "replaced": torch.tensor([3]),
        "frame_second": torch.tensor([0.0]),
    }
    scored = clips.add(replaced, Localised(torch.rand(1, 4, 4), torch.rand(1, 2, 4, 4)))
    assert len(scored.rows) == 0
    overlaps = clips.finish()
    assert overlaps.left_out == 1
    assert len(overlaps.maps) == len(overlaps.centred) == 0


def test_data_without_boxes_are_not_evaluated(caplog: pytest.LogCaptureFixture) -> None:
    class Unboxed(SquareData):
        boxes = None  # type: ignore[assignment]

    with caplog.at_level("INFO"):
        (scores,) = trainer(Localisation()).test(BrightnessLocaliser(), Unboxed(), verbose=False)
    assert not [name for name in scores if "ciou" in name]
    assert "Localisation: idle, as the data have no boxes" in caplog.text
