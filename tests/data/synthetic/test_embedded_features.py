"""The embedded feature data set, as HowTo100M's own reader and the evaluation sets see it."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from tests._helpers.embedded_features import CLIPS, GENERATED_VIDEOS, write_clips, write_videos
from unlabelled.data.datasets.howto100m import PUBLISHED_FILES, HowTo100MClips
from unlabelled.data.datasets.howto100m_list import HowTo100MIndex, open_list
from unlabelled.data.features.captions import CaptionTable
from unlabelled.data.features.columns import ColumnTable
from unlabelled.data.features.word_vectors import WordVectors, words_of
from unlabelled.data.synthetic.embedded.classes import LEAVES
from unlabelled.data.synthetic.embedded_features import (
    EmbeddedScenes,
    EmbeddedVideos,
    write_embedded_features,
)
from unlabelled.data.synthetic.embedded_features.encoders import ImageEncoder
from unlabelled.data.synthetic.embedded_features.videos import (
    Scene,
    Video,
    draw_test_videos,
    draw_train_videos,
    read_scenes,
)
from unlabelled.data.synthetic.embedded_features.words import (
    STOP_WORDS,
    WITHOUT_VECTOR,
    spoken,
    vocabulary,
    word_vector,
)
from unlabelled.pipelines.features import COUNTS, FeaturePipeline, Stream

SECONDS = 2  # of a scene
FAMILIES = {leaf.family for leaf in LEAVES}


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_clips(tmp_path_factory.mktemp("clips") / "data")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, clips: str) -> Path:
    return Path(write_videos(tmp_path_factory.mktemp("films") / "data", clips))


@pytest.fixture(scope="module")
def pipeline(root: Path) -> FeaturePipeline:
    return FeaturePipeline(WordVectors(f"{root}/word2vec.bin"), Stream(16, 1.0), Stream(16, 1.5))


def paths(root: Path) -> list[str]:
    with (root / "train.csv").open(newline="") as file:
        (header, *rows) = csv.reader(file)
    assert header == ["path"]
    return [row[0] for row in rows]


def digests(root: Path) -> dict[str, str]:
    files = [path for path in root.rglob("*") if path.is_file() and ".unlabelled" not in path.parts]
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def scenes(per_class: int) -> list[Scene]:
    return [Scene(f"{leaf}_{n}", leaf, f"caption {leaf} {n}") for leaf in range(9) for n in range(per_class)]


def test_the_layout_is_howto100ms(root: Path, clips: str) -> None:
    videos = draw_train_videos(0, read_scenes(clips, "train"), GENERATED_VIDEOS["train_videos"])
    assert len(paths(root)) == GENERATED_VIDEOS["train_videos"]
    for path, video in zip(paths(root), videos, strict=True):
        family, shelf, name = path.split("/")
        assert family in FAMILIES
        assert shelf == "000"
        assert name == video.identifier
        assert len(name) == 11
        seconds, place = SECONDS * len(video.scenes), f"{path}/{name}"
        rows_2d = np.load(root / "features" / f"{place}_2d.npz")["features"]
        rows_3d = np.load(root / "features" / f"{place}_3d.npz")["features"]
        spectrogram = np.load(root / "audio" / f"{place}_spec.npz")["arr_0"]
        assert (rows_2d.dtype, rows_3d.dtype, spectrogram.dtype) == (np.float16,) * 3
        assert (rows_2d.shape, rows_3d.shape) == ((seconds, 16), (seconds * 3 // 2, 16))
        assert spectrogram.shape == (40, 100 * seconds + 1)
        np.testing.assert_allclose(np.linalg.norm(rows_2d.astype(float), axis=1), 1, atol=2e-3)
        np.testing.assert_allclose(np.linalg.norm(rows_3d.astype(float), axis=1), 1, atol=2e-3)
        assert spectrogram.max() == 0
        assert spectrogram.min() >= -80


def test_captions_stand_at_their_scenes(root: Path, clips: str) -> None:
    table = CaptionTable(str(root / "captions"))
    for video in draw_train_videos(0, read_scenes(clips, "train"), GENERATED_VIDEOS["train_videos"]):
        captions = table[int(table.find([video.identifier])[0])]
        number = len(video.scenes)
        np.testing.assert_array_equal(captions.starts, np.arange(number) * SECONDS)
        np.testing.assert_array_equal(captions.ends, captions.starts + SECONDS)
        assert captions.texts(range(number)) == [spoken(scene.caption) for scene in video.scenes]


def test_a_scene_has_the_same_features_in_each_video(root: Path, clips: str) -> None:
    videos = draw_train_videos(0, read_scenes(clips, "train"), GENERATED_VIDEOS["train_videos"])
    found: dict[Scene, list[np.ndarray]] = {}
    for path, video in zip(paths(root), videos, strict=True):
        rows = np.load(root / "features" / path / f"{video.identifier}_3d.npz")["features"]
        for scene, part in zip(video.scenes, np.split(rows, len(video.scenes)), strict=True):
            found.setdefault(scene, []).append(part)
    twice = [parts for parts in found.values() if len(parts) > 1]
    assert twice
    for parts in twice:
        np.testing.assert_array_equal(parts[0], parts[1])
    assert len({parts[0].tobytes() for parts in found.values()}) == len(found)


def test_howto100ms_reader_reads_it(root: Path, pipeline: FeaturePipeline) -> None:
    captions = CaptionTable(str(root / "captions"))
    index = HowTo100MIndex(open_list(str(root), str(root / "train.csv"), captions))
    assert set(index.categories) <= FAMILIES
    data = HowTo100MClips(str(root), index, captions, PUBLISHED_FILES, pipeline, clips=3)
    assert len(data) == GENERATED_VIDEOS["train_videos"]
    for row in range(len(data)):
        sample = data[row]
        assert int(sample["replaced"]) == -1
        assert sample["video_features"].shape == (3, 12, 32)
        assert sample["video_mask"].all()  # 8 seconds
        assert sample["text_mask"].any(1).all()
        assert not sample["counts"].any(), dict(zip(COUNTS, sample["counts"].sum(0).tolist(), strict=True))


def test_held_out_videos_are_pairs(root: Path, clips: str, pipeline: FeaturePipeline) -> None:
    videos = draw_test_videos(0, read_scenes(clips, "test"), GENERATED_VIDEOS["test_videos"])
    pairs = EmbeddedVideos(str(root))
    pairs.open()
    assert (len(pairs), pairs.complete_size, pairs.name) == (20, 20, "films")
    assert list(pairs.texts) == [video.caption for video in videos]
    assert [pairs.title(row) for row in range(20)] == [video.identifier for video in videos]
    thumbnail = pairs.thumbnail(0)
    assert thumbnail is not None
    assert (thumbnail.shape, thumbnail.dtype) == ((84, 3 * 112, 3), np.uint8)
    data = pairs.dataset(pipeline)
    for row in range(len(data)):
        sample = data[row]
        assert int(sample["video_mask"].sum()) == 9
        assert int(sample["audio_mask"].sum()) == 601
        words = words_of(pairs.texts[row])
        known = [word for word in words if word.lower() not in WITHOUT_VECTOR]
        assert int(sample["text_mask"].sum()) == len(known)
        assert int(sample["counts"][COUNTS.index("unknown_words")]) == len(words) - len(known)


def test_held_out_scenes_have_classes(root: Path, clips: str, pipeline: FeaturePipeline) -> None:
    labelled = EmbeddedScenes(str(root))
    labelled.open()
    assert len(labelled) == 9 * CLIPS["test_per_class"]
    assert list(labelled.class_names) == sorted(leaf.name for leaf in LEAVES)
    data, by_file = labelled.dataset(pipeline), {scene.file: scene for scene in read_scenes(clips, "test")}
    for row in range(len(data)):
        leaf = LEAVES[by_file[labelled.title(row)].leaf]
        assert labelled.class_names[int(data[row]["label"])] == leaf.name
    assert not data[0]["text_mask"].any()


def test_training_and_held_out_clips_are_apart(clips: str) -> None:
    train, test = read_scenes(clips, "train"), read_scenes(clips, "test")
    assert (len(train), len(test)) == (18, 27)
    assert not {scene.file for scene in train} & {scene.file for scene in test}


def test_features_distinguish_looks(root: Path, clips: str) -> None:
    """By the nearest neighbour among other held-out scenes; by chance it is 0.2 of them."""
    table = ColumnTable(str(root / "scenes"))
    looks = [LEAVES[scene.leaf].scene for scene in read_scenes(clips, "test")]
    mean = np.stack([table.ragged("3d")[row].astype(float).mean(0) for row in range(len(table))])
    mean -= mean.mean(0)
    mean /= np.linalg.norm(mean, axis=1, keepdims=True)
    similarity = mean @ mean.T
    np.fill_diagonal(similarity, -2)
    hits = [looks[int(row.argmax())] == look for row, look in zip(similarity, looks, strict=True)]
    assert np.mean(hits) > 0.5


def test_the_same_seed_gives_the_same_files(root: Path, clips: str, tmp_path: Path) -> None:
    write_videos(tmp_path / "again", clips)
    assert digests(tmp_path / "again") == digests(root)
    write_videos(tmp_path / "other", clips, seed=1)
    other = digests(tmp_path / "other")
    assert other["word2vec.bin"] != digests(root)["word2vec.bin"]
    assert not set(paths(tmp_path / "other")) & set(paths(root))


def test_a_finished_folder_is_left_alone_and_another_ones_is_not_touched(clips: str, tmp_path: Path) -> None:
    write_videos(tmp_path / "data", clips)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "data").rglob("*")}
    write_videos(tmp_path / "data", clips)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "data").rglob("*")} == before
    write_embedded_features(
        str(tmp_path / "data"), clips, **{**GENERATED_VIDEOS, "train_videos": 3}, progress=False
    )
    assert len(paths(tmp_path / "data")) == 3
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("all my work")
    with pytest.raises(FileExistsError, match=r"thesis.txt"):
        write_videos(tmp_path / "mine", clips)


def test_other_clips_give_other_videos(clips: str, tmp_path: Path) -> None:
    shutil.copytree(clips, tmp_path / "clips")
    mark = tmp_path / "clips" / "COMPLETE.json"
    mark.write_text(json.dumps({**json.loads(mark.read_text()), "seed": 1}))
    write_videos(tmp_path / "data", clips)
    (tmp_path / "data" / "train.csv").write_text("path\n")
    write_videos(tmp_path / "data", clips)
    assert paths(tmp_path / "data") == []  # the finished folder is not looked into
    write_videos(tmp_path / "data", str(tmp_path / "clips"))
    assert len(paths(tmp_path / "data")) == GENERATED_VIDEOS["train_videos"]


@pytest.mark.parametrize("option", ["train_videos", "test_videos", "dim", "word_dim"])
def test_numbers_are_checked(clips: str, tmp_path: Path, option: str) -> None:
    with pytest.raises(ValueError, match=f"{option} 0 must be 1 or more"):
        write_embedded_features(str(tmp_path / "data"), clips, **{**GENERATED_VIDEOS, option: 0})
    with pytest.raises(ValueError, match="seed -1"):
        write_embedded_features(str(tmp_path / "data"), clips, -1)
    assert not (tmp_path / "data").exists()


def test_unfit_clips_are_refused(tiny_root: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"COMPLETE.json is missing: call write_embedded\("):
        write_embedded_features(str(tmp_path / "data"), str(tmp_path / "nowhere"))
    with pytest.raises(ValueError, match=r"clips of 1.5 s, but 3D features need an even number of seconds"):
        write_embedded_features(str(tmp_path / "data"), str(tiny_root))


def test_train_videos_use_all_scenes_about_equally_often() -> None:
    videos = draw_train_videos(3, scenes(4), 60)
    lengths = Counter(len(video.scenes) for video in videos)
    assert set(lengths) == {4, 5, 6}
    uses = Counter(scene for video in videos for scene in video.scenes)
    assert len(uses) == 36
    assert max(uses.values()) - min(uses.values()) <= 1
    assert len({video.identifier for video in videos}) == 60


def test_test_videos_differ_in_their_classes_as_long_as_they_can() -> None:
    videos = draw_test_videos(3, scenes(3), 170)
    shown = Counter(tuple(sorted(scene.leaf for scene in video.scenes)) for video in videos)
    assert len(shown) == 165
    assert sum(times == 2 for times in shown.values()) == 5
    assert all(len(set(video.scenes)) == 3 for video in videos)
    orders = [[scene.leaf for scene in video.scenes] for video in videos]
    assert any(order != sorted(order) for order in orders)
    with pytest.raises(ValueError, match="2 held-out clips are too few"):
        draw_test_videos(0, scenes(1)[:2], 1)


def test_a_video_of_few_clips_has_none_twice() -> None:
    videos = draw_test_videos(0, scenes(2), 200)
    assert all(len(set(video.scenes)) == 3 for video in videos)


def test_the_category_of_a_video_is_that_of_most_scenes() -> None:
    drum, siren = 0, 3
    named = {
        place: Scene(str(n), leaf, "c")
        for n, (place, leaf) in enumerate({"d": drum, "s": siren, "t": 4}.items())
    }
    assert Video("x", (named["d"], named["s"], named["t"])).category == "siren"
    assert Video("x", (named["d"], named["s"])).category == "drum"
    assert Video("x", (named["d"], named["s"])).caption == "c. c."


def test_speech_has_no_stop_words() -> None:
    assert (
        spoken("We hear the rise and fall of a siren, as A drum spins.") == "hear rise fall siren drum spins"
    )
    assert WITHOUT_VECTOR <= STOP_WORDS


def test_word_vectors_are_as_wide_as_asked_and_known(root: Path) -> None:
    vectors = WordVectors(f"{root}/word2vec.bin")
    assert vectors.dim == GENERATED_VIDEOS["word_dim"]
    assert vectors.encode("a drum and of to", 9)[1:] == (5, 4)
    np.testing.assert_array_equal(
        vectors.encode("drum", 1).tokens[0], word_vector(0, "drum", 8).astype(np.float32)
    )


def test_a_capital_letter_moves_a_word_a_little() -> None:
    assert vocabulary(["A drum, a Drum", "of Drum"]) == ["Drum", "drum"]
    words = [word_vector(0, word, 300) for word in ("drum", "Drum", "siren")]
    cosines = np.corrcoef(words)
    assert cosines[0, 1] > 0.9
    assert abs(cosines[0, 2]) < 0.3


def test_images_have_features_one_by_one() -> None:
    encoder, rng = ImageEncoder(8), np.random.default_rng(0)
    images = rng.integers(0, 256, (5, 42, 56, 3), dtype=np.uint8)
    features = encoder.frames(images)
    assert features.shape == (5, 8)
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(encoder.frames(images[3:4])[0], features[3], atol=1e-5)
    np.testing.assert_array_equal(ImageEncoder(8).frames(images), features)
    chunks = rng.integers(0, 256, (2, 4, 42, 56, 3), dtype=np.uint8)
    still = np.repeat(chunks[:1, :1], 4, axis=1)
    assert encoder.chunks(chunks).shape == (2, 8)
    assert np.abs(encoder.chunks(still) - encoder.chunks(chunks[:1])).max() > 0.01  # it sees motion


def test_images_and_their_negatives_have_the_same_features() -> None:
    """Edges have the same features whichever side is darker, as the embedded clips require."""
    images = np.random.default_rng(0).integers(0, 256, (2, 42, 56, 3), dtype=np.uint8)
    encoder = ImageEncoder(32)
    torch.testing.assert_close(encoder.frames(255 - images), encoder.frames(images), atol=1e-4, rtol=0)
