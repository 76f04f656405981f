"""Clips as tensors: lengths, masks, counts, complaints, and the axis of clips."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import default_collate

from tests._helpers.feature_layouts import DIM_2D, DIM_3D, DIM_TEXT, features, small_pipeline
from unlabelled.data.features.tokens import l2_normalise
from unlabelled.data.media.reader import DecodeError
from unlabelled.pipelines.features import COUNTS, Budget, RawClip, Stream


def raw(**more: Any) -> RawClip:
    parts = features()
    whole = {"rows_2d": parts["2d"], "rows_3d": parts["3d"], "spectrogram": parts["spec"]}
    return RawClip(
        **{"name": "food/v/id", "texts": ["cut the onion"], **whole, "start": 10.3, "end": 18.3, **more}
    )


def counts(sample: dict[str, torch.Tensor]) -> dict[str, int]:
    named = dict(zip(COUNTS, sample["counts"].tolist(), strict=True))
    return {name: number for name, number in named.items() if number}


def test_a_clip() -> None:
    sample, parts = small_pipeline().load(raw()), features()
    shapes = {key: tuple(value.shape) for key, value in sample.items()}
    assert shapes == {
        "text": (6, DIM_TEXT),
        "text_mask": (6,),
        "video_features": (12, DIM_2D + DIM_3D),
        "video_mask": (12,),
        "audio": (1, 40, 768),
        "audio_mask": (768,),
        "counts": (6,),
    }
    assert sample["text"][:, 0].tolist() == [1, 2, 3, 0, 0, 0]
    assert sample["text_mask"].tolist() == [True] * 3 + [False] * 3
    assert sample["video_mask"].all()
    flat = l2_normalise(parts["2d"][10:19])[[0, 0, 1, 2, 2, 3, 4, 4, 5, 6, 6, 7]]
    expected = np.hstack([flat, l2_normalise(parts["3d"][15:27])])
    assert sample["video_features"].numpy() == pytest.approx(expected, abs=1e-6)
    assert np.array_equal(sample["audio"][0], parts["spec"][:, 1028 : 1028 + 768].astype(np.float32))
    assert {value.dtype for key, value in sample.items() if key.endswith("mask")} == {torch.bool}
    assert {sample[key].dtype for key in ("text", "video_features", "audio")} == {torch.float32}
    assert counts(sample) == {}


def test_other_budgets() -> None:
    clip = raw(start=0.0, end=math.inf)
    sample = small_pipeline().load(clip, Budget(video_tokens=48, audio_frames=3072, max_words=2))
    assert sample["video_features"].shape == (48, 7)
    assert sample["video_mask"].sum() == 45
    assert sample["audio_mask"].sum() == 3000
    assert sample["text"][:, 0].tolist() == [1, 2]


def test_words_of_several_captions_follow_one_another() -> None:
    sample = small_pipeline().load(raw(texts=["now cut", "what the", "onion stir onion cut"]))
    assert sample["text"][:, 0].tolist() == [5, 1, 2, 3, 4, 3]
    assert counts(sample) == {"unknown_words": 1}
    same = small_pipeline().load(raw(texts=["now cut what the onion stir onion cut"]))
    assert torch.equal(sample["text"], same["text"])


def test_audio_of_other_seconds() -> None:
    sample = small_pipeline(audio_frames=10).load(raw(audio_span=(14.3, 22.3)))
    assert np.array_equal(sample["audio"][0], features()["spec"][:, 1428:1438].astype(np.float32))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"texts": []}, {"no_caption": 1}),
        ({"texts": [""]}, {"empty_caption": 1}),
        ({"texts": ["", " ?!"]}, {"empty_caption": 1}),
        ({"texts": ["Nobody knows"]}, {"no_known_word": 1, "unknown_words": 2}),
        ({"start": 40.0, "end": 48.0}, {"no_video": 1, "no_audio": 1}),
        ({"audio_span": (34.0, 42.0)}, {"no_audio": 1}),
        ({"spectrogram": None}, {"no_audio": 1}),
        ({"rows_2d": None}, {"no_video": 1}),
        ({"rows_3d": np.zeros((0, DIM_3D))}, {"no_video": 1}),
    ],
)
def test_what_is_empty_is_counted(change: dict[str, Any], expected: dict[str, int]) -> None:
    sample = small_pipeline().load(raw(**change))
    assert counts(sample) == expected
    empty = {
        "text": {"no_caption", "empty_caption", "no_known_word"},
        "video": {"no_video"},
        "audio": {"no_audio"},
    }
    tensors = {"text": "text", "video": "video_features", "audio": "audio"}
    for name, reasons in empty.items():
        nothing = bool(reasons & expected.keys())
        assert sample[f"{name}_mask"].any().item() is not nothing
        assert sample[tensors[name]].any().item() is not nothing


def broken(part: str, value: float) -> dict[str, np.ndarray]:
    array = copy.deepcopy(features()[{"rows_2d": "2d", "rows_3d": "3d", "spectrogram": "spec"}[part]])
    array[..., :] = np.where(np.arange(array.shape[-1]) == 1, value, array)
    return {part: array}


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("part", ["rows_2d", "rows_3d", "spectrogram"])
def test_numbers_that_are_not_finite(part: str, value: float) -> None:
    clip = raw(**broken(part, value), start=0.0, sources={part: "x.npz[features]"})
    with pytest.raises(
        DecodeError, match=r"x\.npz\[features\]: expected finite numbers, found \d+ that are not"
    ):
        small_pipeline().load(clip)
    with pytest.raises(DecodeError, match=f"food/v/id, {part}: expected finite"):
        small_pipeline().load(raw(**broken(part, value), start=0.0))


def test_vectors_of_words_that_are_not_finite(monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline = small_pipeline()
    encoded = pipeline.text.encode("cut", 9)
    broken_tokens = encoded._replace(tokens=encoded.tokens * np.nan)
    monkeypatch.setattr(pipeline.text, "encode", lambda text, room: broken_tokens)
    with pytest.raises(DecodeError, match=r"food/v/id: the vectors of \['cut'\] are not finite numbers"):
        pipeline.load(raw(texts=["cut"]))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rows_2d": np.ones((9, 5))}, r"rows_2d: expected an array \(n, 3\), found \(9, 5\)"),
        ({"rows_3d": np.ones(4)}, r"rows_3d: expected an array \(n, 4\), found \(4,\)"),
        ({"spectrogram": np.ones((300, 40))}, r"spectrogram: expected an array \(40, n\), found \(300, 40\)"),
    ],
)
def test_features_of_another_width(change: dict[str, Any], words: str) -> None:
    with pytest.raises(DecodeError, match=words):
        small_pipeline().load(raw(**change))


def test_clip_features_alone_and_no_audio() -> None:
    pipeline = small_pipeline(stream_3d=None, audio=False)
    assert (pipeline.video_dim, pipeline.parts) == (DIM_2D, ("rows_2d",))
    sample = pipeline.load(raw(rows_3d=None, spectrogram=None))
    assert set(sample) == {"text", "text_mask", "video_features", "video_mask", "counts"}
    assert sample["video_mask"].tolist() == [True] * 9 + [False] * 3
    assert counts(sample) == {}


def test_padding_with_silence() -> None:
    sample = small_pipeline(audio_padding=-80.0).load(raw(start=25.0, end=33.0))
    silent = ~sample["audio_mask"]
    assert 0 < silent.sum() < 768
    assert (sample["audio"][0][:, silent] == -80).all()


def test_texts_alone() -> None:
    sample = small_pipeline().load_text("task 1, step 2", ["stir now"], Budget(max_words=3))
    assert set(sample) == {"text", "text_mask", "counts"}
    assert sample["text"][:, 0].tolist() == [4, 5, 0]


def test_clips_of_a_video_stand_side_by_side() -> None:
    pipeline = small_pipeline()
    videos = [[raw(start=4.0 * n + v, end=4.0 * n + v + 8) for n in range(3)] for v in range(2)]
    samples = [
        {**pipeline.load_clips(clips), "label": torch.tensor(v), "index": torch.tensor(10 + v)}
        for v, clips in enumerate(videos)
    ]
    assert samples[0]["text"].shape == (3, 6, DIM_TEXT)
    batch = pipeline.finish(default_collate(samples))
    alone = [pipeline.load(clip) for clips in videos for clip in clips]
    for key in alone[0]:
        assert torch.equal(batch[key], torch.stack([each[key] for each in alone]))
    assert batch["label"].tolist() == [0, 0, 0, 1, 1, 1]
    assert batch["index"].tolist() == [10, 10, 10, 11, 11, 11]


def test_one_clip_a_video_loses_its_axis_too() -> None:
    pipeline = small_pipeline()
    batch = default_collate([{**pipeline.load_clips([raw()]), "label": torch.tensor(3)}])
    assert pipeline.finish(batch)["audio"].shape == (1, 1, 40, 768)


def test_batches_without_that_axis_stay() -> None:
    pipeline = small_pipeline()
    batch = default_collate([pipeline.load(raw()), pipeline.load(raw())])
    assert pipeline.finish(batch) is batch


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"video_tokens": 0}, "Budget: video_tokens=0 must be at least 1"),
        ({"audio_frames": 0}, "Budget: audio_frames=0 must be at least 1"),
        ({"max_words": 0}, "Budget: max_words=0 must be at least 1"),
    ],
)
def test_budgets_of_nothing(change: dict[str, int], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        small_pipeline(**change)


def test_streams_of_nothing() -> None:
    with pytest.raises(ValueError, match="Stream: fps=0 must be above 0"):
        Stream(3, 0)
