"""Evaluation sets in tables: sizes, texts, labels, lengths; what is missing is counted and named."""

from __future__ import annotations

import copy
import logging
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests._helpers.feature_layouts import DIM_2D, DIM_3D, WORDS, small_pipeline
from tests._helpers.feature_tables import record, write
from unlabelled.commands.convert import convert
from unlabelled.data.datasets import (
    MSRVTT,
    MSVD,
    FeatureTable,
    HMDB51Features,
    OtherFeatures,
    UCF101Features,
    YouCook2,
)
from unlabelled.data.datasets.evaluation_sets import EvaluationSet, LabelledSet, RetrievalSet
from unlabelled.data.media.reader import DecodeError
from unlabelled.pipelines.features import COUNTS, FeaturePipeline, Stream


def msrvtt(folder: Path, changes: dict[int, dict[str, Any]] | None = None, number: int = 6) -> MSRVTT:
    rows = [
        record(n, **{"eval_caption": f"cut the onion {n}", **(changes or {}).get(n, {})})
        for n in range(number)
    ]
    return MSRVTT(write(folder, rows))


def counts(sample: dict[str, Any]) -> dict[str, int]:
    return {name: n for name, n in zip(COUNTS, sample["counts"].tolist(), strict=True) if n}


def test_msrvtt_is_read_from_a_published_pickle(tmp_path: Path) -> None:
    rows = [record(n, eval_caption=f"stir {n}") for n in range(3)]
    (tmp_path / "msrvtt_jsfusion_test.pkl").write_bytes(pickle.dumps(rows))
    convert(str(tmp_path / "msrvtt_jsfusion_test.pkl"), str(tmp_path / "table"))
    pairs = MSRVTT(str(tmp_path / "table"))
    pairs.open()
    assert isinstance(pairs, RetrievalSet)
    assert (len(pairs), pairs.complete_size, pairs.name) == (3, 1000, "msrvtt")
    assert list(pairs.texts) == [pairs.texts[n] for n in range(3)] == ["stir 0", "stir 1", "stir 2"]
    assert pairs.texts[-1] == "stir 2"
    assert pairs.texts[1:] == ["stir 1", "stir 2"]
    assert pairs.title(2) == "video2"
    assert pairs.thumbnail(0) is None
    assert "not in the table 997" in pairs.summary()
    data = pairs.dataset(small_pipeline())
    assert [data.path(n) for n in range(len(data))] == ["video0", "video1", "video2"]


def test_samples_have_the_sets_own_lengths_and_the_whole_video(tmp_path: Path) -> None:
    pipeline, pairs = small_pipeline(), msrvtt(tmp_path / "table")
    sample = pairs.dataset(pipeline)[1]
    assert sample["text"].shape == (20, 2)
    assert sample["video_features"].shape == (48, DIM_2D + DIM_3D)
    assert sample["audio"].shape == (1, 40, 3072)
    assert (sample["video_mask"].sum(), sample["audio_mask"].sum()) == (9, 600)
    assert (int(sample["label"]), int(sample["index"]), int(sample["replaced"])) == (-1, 1, -1)
    source = record(1)
    torch.testing.assert_close(sample["audio"][0, :, :600], torch.from_numpy(source["audio"]))
    rows_3d = source["3d"] / np.linalg.norm(source["3d"], axis=1, keepdims=True)
    torch.testing.assert_close(sample["video_features"][:9, DIM_2D:], torch.from_numpy(rows_3d))
    assert sample["text"][:3, 0].tolist() == [WORDS.index(w) + 1 for w in ("cut", "the", "onion")]
    assert pipeline.budget == small_pipeline().budget


def test_youcook2s_lengths_and_columns(tmp_path: Path) -> None:
    rows = [record(n, caption=f"stir {n}", id=n) for n in range(4)]
    for row in rows:
        row["2d_full"], row["3d_full"] = row.pop("2d"), row.pop("3d")
    del rows[2]["2d_full"]
    clips = YouCook2(write(tmp_path / "table", rows))
    clips.open()
    assert (len(clips), clips.complete_size) == (3, 3350)
    assert [clips.title(n) for n in range(3)] == ["0", "1", "3"]
    assert clips.texts[2] == "stir 3"
    assert "without 2D features 1 (2)" in clips.summary()
    sample = clips.dataset(small_pipeline())[0]
    assert sample["video_features"].shape[0] == 72
    assert sample["audio"].shape[-1] == 4608


def test_what_is_missing_is_counted_and_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    changes = {
        0: {"2d": None},
        1: {"3d": None},
        2: {"eval_caption": "  "},
        3: {"audio": None},
        4: {"2d": None, "3d": None},
    }
    pairs = msrvtt(tmp_path / "table", changes)
    with caplog.at_level(logging.INFO, logger="unlabelled"):
        pairs.open()
        pairs.open()
    assert [pairs.title(n) for n in range(len(pairs))] == ["video3", "video5"]
    (message,) = {r.getMessage() for r in caplog.records}
    assert len(caplog.records) == 1
    assert message == pairs.summary()
    for part in (
        "2 of 6 videos",
        "without 2D features 2 (video0, video4)",
        "without 3D features 1 (video1)",
        "without a caption 1 (video2)",
        "without audio, but kept 1 (video3)",
        "not in the table 994",
    ):
        assert part in message
    sample = pairs.dataset(small_pipeline())[0]
    assert not sample["audio_mask"].any()
    assert counts(sample) == {"no_audio": 1, "unknown_words": 1}


def test_at_most_five_names_are_listed(tmp_path: Path) -> None:
    pairs = msrvtt(tmp_path / "table", {n: {"2d": None} for n in range(1, 8)}, number=8)
    assert "without 2D features 7 (video1, video2, video3, video4, video5, … and 2 more)" in pairs.summary()


def test_a_caption_without_known_words_stays_and_is_counted(tmp_path: Path) -> None:
    pairs = msrvtt(tmp_path / "table", {0: {"eval_caption": "zyx wvu"}})
    sample = pairs.dataset(small_pipeline())[0]
    assert len(pairs) == 6
    assert counts(sample) == {"no_known_word": 1, "unknown_words": 2}
    assert not sample["text_mask"].any()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_features_that_are_no_numbers_are_named_and_replaced(tmp_path: Path, value: float) -> None:
    damaged = record(2)["3d"]
    damaged[4, 1] = value
    pairs = msrvtt(tmp_path / "table", {2: {"3d": damaged}})
    with pytest.raises(DecodeError, match=r"table\[3d\], video2: expected finite numbers, found 1"):
        pairs.sample(2, small_pipeline())
    assert int(pairs.dataset(small_pipeline())[2]["replaced"]) == 2


def test_features_of_another_kind_are_refused_at_once(tmp_path: Path) -> None:
    pairs, text = msrvtt(tmp_path / "table"), small_pipeline().text
    with pytest.raises(ValueError, match=r"table\[2d\] has features of width 3, but .*stream_2d expects 4"):
        pairs.dataset(FeaturePipeline(text, Stream(DIM_2D + 1), Stream(DIM_3D, 1.5)))
    with pytest.raises(ValueError, match=r"table\[3d\] has features of width 4, but .*stream_3d expects 5"):
        pairs.dataset(FeaturePipeline(text, Stream(DIM_2D), Stream(DIM_3D + 1, 1.5)))
    flat = MSRVTT(write(tmp_path / "flat", [record(0, eval_caption="cut", **{"3d": None})]))
    assert len(flat.dataset(FeaturePipeline(text, Stream(DIM_2D), None))) == 1
    with pytest.raises(ValueError, match="has no rows_3d, but the pipeline's stream_3d is not null"):
        flat.dataset(small_pipeline())


def test_a_spectrogram_of_other_bands_is_named(tmp_path: Path) -> None:
    rows = [record(n, eval_caption="cut", audio=np.zeros((41, 100), np.float32)) for n in range(2)]
    with pytest.raises(
        DecodeError, match=r"table\[audio\], video1: expected an array \(40, n\), found \(41, 100\)"
    ):
        MSRVTT(write(tmp_path / "table", rows)).sample(1, small_pipeline())


def test_other_features_take_the_place_of_the_tables_own(tmp_path: Path) -> None:
    clip = [np.full((6, 5), n, np.float32) for n in range(6)]
    other = write(tmp_path / "clip", [{"clip": rows} for rows in clip[:5]] + [{"clip": clip[5][:0]}])
    rows = [record(n, eval_caption="stir") for n in range(6)]
    del rows[1]["2d"]  # missing for all methods, even for those with features of it
    pairs = MSRVTT(write(tmp_path / "table", rows), other=OtherFeatures(other))
    assert [pairs.title(n) for n in range(len(pairs))] == ["video0", "video2", "video3", "video4"]
    assert "without clip features 1 (video5)" in pairs.summary()
    pipeline = FeaturePipeline(small_pipeline().text, Stream(5, 1.0), None)
    sample = pairs.dataset(pipeline)[1]
    assert sample["video_mask"].sum() == 6
    torch.testing.assert_close(sample["video_features"][:6], torch.full((6, 5), 5**-0.5))
    short = write(tmp_path / "short", [{"clip": rows} for rows in clip[:4]])
    with pytest.raises(ValueError, match=r"short has 4 videos, but .* has 6"):
        MSRVTT(pairs.path, other=OtherFeatures(short)).open()


def test_a_wrong_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no table of features in .*nowhere; make it with"):
        MSRVTT(str(tmp_path / "nowhere")).open()
    with pytest.raises(KeyError, match="eval_caption"):
        MSRVTT(write(tmp_path / "train", [record(0, caption=["cut"])])).open()
    with pytest.raises(ValueError, match=r"6 videos, but complete_size is 5"):
        MSRVTT(msrvtt(tmp_path / "table").path, complete_size=5).open()
    with pytest.raises(ValueError, match=r"no video is usable.*without 2D features 1"):
        msrvtt(tmp_path / "empty", {0: {"2d": None}, 1: {"3d": None}}, number=2).open()


def test_msvd_has_each_video_once_with_a_caption_of_choice(tmp_path: Path) -> None:
    rows = [record(n, caption=[f"cut {n} {k}" for k in range(n + 1)], audio=None) for n in range(3)]
    table = write(tmp_path / "table", rows)
    first, third = MSVD(table), MSVD(table, caption_number=2)
    assert list(first.texts) == ["cut 0 0", "cut 1 0", "cut 2 0"]
    assert list(third.texts) == ["cut 0 0", "cut 1 1", "cut 2 2"]
    assert first.complete_size == 670
    assert "sound" not in first.summary()
    with pytest.raises(ValueError, match="caption_number -1"):
        MSVD(table, caption_number=-1)


def test_action_classes_are_labels_and_words(tmp_path: Path) -> None:
    classes = ["YoYo", "ApplyEyeMakeup", "YoYo", "TaiChi"]
    rows = [
        {**record(n, id=None), "video": f"v_{name}_{n}", "class": name, "has_audio": n % 2, "training": 1}
        for n, name in enumerate(classes)
    ]
    clips = UCF101Features(write(tmp_path / "table", rows))
    clips.open()
    assert isinstance(clips, LabelledSet)
    assert list(clips.class_names) == ["apply eye makeup", "tai chi", "yo yo"]
    data = clips.dataset(small_pipeline())
    assert [int(data[n]["label"]) for n in range(4)] == [2, 0, 2, 1]
    assert clips.title(3) == "v_TaiChi_3"
    assert "without audio, but kept 2 (v_YoYo_0, v_YoYo_2)" in clips.summary()
    assert [bool(data[n]["audio_mask"].any()) for n in range(4)] == [False, True, False, True]
    assert counts(data[1]) == {"no_caption": 1}  # a class's name is not to be seen


def test_hmdbs_names_have_underscores_and_a_slip(tmp_path: Path) -> None:
    rows = [
        {**record(n, id=None, audio=None), "video": str(n), "class": c}
        for n, c in enumerate(["claping", "brush_hair"])
    ]
    clips = HMDB51Features(write(tmp_path / "table", rows))
    assert list(clips.class_names) == ["brush hair", "clapping"]
    assert [int(clips.dataset(small_pipeline())[n]["label"]) for n in range(2)] == [1, 0]


def test_sets_pickle_and_copy_for_workers(tmp_path: Path) -> None:
    pairs: EvaluationSet = msrvtt(tmp_path / "table")
    pairs.open()
    for other in (pickle.loads(pickle.dumps(pairs)), copy.deepcopy(pairs)):
        again, sample = other.dataset(small_pipeline())[3], pairs.dataset(small_pipeline())[3]
        assert all(torch.equal(again[key], sample[key]) for key in sample)


def test_only_what_is_missing_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    msrvtt(tmp_path / "whole").open()
    assert not caplog.records
    msrvtt(tmp_path / "part", {0: {"2d": None}}).open()
    assert [r.levelname for r in caplog.records] == ["WARNING"]


CLIP = np.ones((4, 5), dtype=np.float32)


def test_other_features_in_another_order_are_refused(tmp_path: Path) -> None:
    own = write(tmp_path / "own", [record(number) for number in range(3)])
    other = write(tmp_path / "clip", [{"id": f"video{number}", "clip": CLIP} for number in (0, 2, 1)])
    with pytest.raises(ValueError, match=r"video 'video2' in row 1, but .* has 'video1'"):
        FeatureTable(own, other=OtherFeatures(other))
    unnamed = write(tmp_path / "unnamed", [{"clip": CLIP}] * 3)
    assert len(FeatureTable(own, other=OtherFeatures(unnamed))) == 3
