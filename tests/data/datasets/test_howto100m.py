"""HowTo100M's layout: the list becomes a table, files become clips, what is unfit is replaced and named."""

from __future__ import annotations

import logging
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests._helpers.feature_layouts import captions, features, small_pipeline, write_root, write_video
from unlabelled.data.datasets import howto100m_list
from unlabelled.data.datasets.howto100m import PUBLISHED_FILES, FeatureFiles, HowTo100MClips
from unlabelled.data.datasets.howto100m_categories import HowTo100MCategories
from unlabelled.data.datasets.howto100m_list import HowTo100MIndex, listed_paths, open_list
from unlabelled.data.datasets.samples import NOT_REPLACED, SampleKey
from unlabelled.data.features.captions import CaptionTable, write_captions
from unlabelled.data.features.clip_sampling import sample_clip
from unlabelled.data.features.tokens import frames_seconds
from unlabelled.data.media.reader import DecodeError
from unlabelled.pipelines.features import RawClip
from unlabelled.seeding import SEED_VARIABLE, global_seed, numpy_generator


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_root(tmp_path)
    return tmp_path


def index_of(root: Path, name: str = "train.csv") -> HowTo100MIndex:
    return HowTo100MIndex(open_list(str(root), str(root / name), CaptionTable(str(root / "captions"))))


def clips(root: Path, **more: Any) -> HowTo100MClips:
    pipeline = more.pop("pipeline", small_pipeline())
    files = more.pop("files", PUBLISHED_FILES)
    table = CaptionTable(str(root / "captions"))
    return HowTo100MClips(str(root), index_of(root), table, files, pipeline, **{"clips": 3, **more})


def test_the_list(root: Path) -> None:
    index = index_of(root)
    assert index.paths[:] == [f"{'food' if n % 2 else 'art'}/v_{n}/id{n}" for n in range(6)]
    assert index.categories == ["art", "food"]
    assert [index.category(row) for row in range(6)] == [0, 1, 0, 1, 0, 1]
    assert [index.caption_row(row) for row in range(6)] == list(range(6))
    assert index.summary() == (
        "train: 6 of 8 videos have captions; left out 2: empty captions 1 (food/v_9/silent), "
        "no captions 1 (food/v_9/unlisted)"
    )


def test_many_left_out_are_counted_and_some_named(root: Path) -> None:
    (root / "many.csv").write_text("path\nart/v_0/id0\n" + "".join(f"a/b/gone{n}\n" for n in range(9)))
    summary = index_of(root, "many.csv").summary()
    assert "1 of 10 videos have captions; left out 9: no captions 9 (a/b/gone0, " in summary
    assert "a/b/gone4, … and 4 more)" in summary


def test_the_list_is_read_once(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = index_of(root)

    def never(path: str) -> Any:
        raise AssertionError("read again")

    with monkeypatch.context() as patch:
        patch.setattr(howto100m_list, "listed_paths", never)
        assert index_of(root).paths[:] == first.paths[:]
    (root / "train.csv").write_text("path\nart/v_0/id0\nfood/v_1/id1\n")
    assert len(index_of(root)) == 2
    shutil.rmtree(root / "captions")
    write_captions(str(root / "captions"), [("id1", captions("cut"))])
    assert index_of(root).paths[:] == ["food/v_1/id1"]


def test_the_fingerprint_is_that_of_the_usable_videos_in_order(root: Path) -> None:
    (root / "same.csv").write_text("path\n" + "\n".join(index_of(root).paths[:]))
    (root / "other.csv").write_text("path\n" + "\n".join(index_of(root).paths[::-1]))
    prints = [index_of(root, name).fingerprint for name in ("train.csv", "same.csv", "other.csv")]
    assert prints[0] == prints[1] != prints[2]


def test_lists_in_blocks_give_the_same(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = index_of(root)
    shutil.rmtree(root / ".unlabelled")
    monkeypatch.setattr(howto100m_list, "_BLOCK", 3)
    assert index_of(root).paths[:] == whole.paths[:]
    assert index_of(root).summary() == whole.summary()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("video\na/b\n", r"expected a column `path` in its first line, found \['video'\]"),
        ("", r"found \[\]"),
        ("n,path\n1,a/b\n2\n", r"line 3: \['2'\] has no path"),
    ],
)
def test_lists_that_are_none(root: Path, text: str, words: str) -> None:
    (root / "bad.csv").write_text(text)
    with pytest.raises(ValueError, match=words):
        list(listed_paths(str(root / "bad.csv")))


def test_a_list_that_is_not_there(root: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"HowTo100M: there is no list .*none\.csv"):
        index_of(root, "none.csv")


def test_other_columns_and_empty_lines(root: Path) -> None:
    (root / "wide.csv").write_text('n, path\n1,"art/v_0/id0"\n\n2,None/food/v_1/id1\n')
    assert list(listed_paths(str(root / "wide.csv"))) == ["art/v_0/id0", "food/v_1/id1"]


def test_a_sample_is_what_the_reference_draws(root: Path) -> None:
    sample, pipeline, parts = clips(root)[SampleKey(3, 7)], small_pipeline(), features(seed=3)
    rng = numpy_generator(global_seed(), "view", 7, 3)
    talk = CaptionTable(str(root / "captions"))[3]
    for number in range(3):
        window = sample_clip(talk, frames_seconds(3000), rng)
        expected = pipeline.load(
            RawClip(
                "x",
                talk.texts(window.captions),
                parts["2d"],
                parts["3d"],
                parts["spec"],
                window.start,
                window.end,
                (window.audio_start, window.audio_end),
            )
        )
        for key, value in expected.items():
            assert torch.equal(sample[key][number], value)
    assert sample["label"].item() == 1
    assert (sample["index"].item(), sample["replaced"].item()) == (3, NOT_REPLACED)


def test_what_is_drawn_follows_from_seed_epoch_and_row(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = clips(root)
    again = pickle.loads(pickle.dumps(data))

    def drawn(source: HowTo100MClips, row: int, epoch: int) -> torch.Tensor:
        return source[SampleKey(row, epoch)]["audio"]

    first = drawn(data, 2, 1)
    assert torch.equal(first, drawn(again, 2, 1))
    assert not torch.equal(first, drawn(data, 2, 2))
    monkeypatch.setenv(SEED_VARIABLE, "5")
    assert not torch.equal(first, drawn(data, 2, 1))


def test_the_fallbacks_of_the_layout(root: Path) -> None:
    folder = root / "features" / "art" / "v_0"
    (folder / "id0" / "id0_2d.npz").rename(folder / "id0_2d.npz")
    other = root / "features_3d" / "art" / "v_0" / "id0"
    other.mkdir(parents=True)
    (folder / "id0" / "id0_3d.npz").rename(other / "id0.npz")
    sample = clips(root)[SampleKey(0, 0)]
    assert sample["replaced"].item() == NOT_REPLACED


def test_other_places_and_keys(root: Path) -> None:
    (root / "clip").mkdir()
    for number in range(6):
        np.savez(root / "clip" / f"id{number}.npz", clip=features(seed=9)["2d"])
    files = FeatureFiles(rows_2d=["clip/{id}.npz"], key_2d="clip")
    pipeline = small_pipeline(stream_3d=None, audio=False)
    sample = clips(root, files=files, pipeline=pipeline)[SampleKey(0, 0)]
    assert sample["replaced"].item() == NOT_REPLACED
    assert sample["video_features"].shape == (3, 12, 3)


def test_the_length_without_audio_is_that_of_the_2d_rows(root: Path) -> None:
    data = clips(root, pipeline=small_pipeline(audio=False), clips=200)
    raws = data.raw_clips(0, np.random.default_rng(0), 200)
    assert not [clip for clip in raws if clip.start > 30]
    assert data._seconds({"rows_2d": features()["2d"]}, {}) == 30.0


def spoil(root: Path, what: str) -> str:
    """Damage the files of video 1, and return the error message."""
    folder = root / "features" / "food" / "v_1" / "id1"
    spectrogram = root / "audio" / "food" / "v_1" / "id1" / "id1_spec.npz"
    parts = features(seed=1)
    if what == "missing":
        (folder / "id1_3d.npz").unlink()
        return "id1_3d.npz: no such file, nor "
    if what == "no sound":
        spectrogram.unlink()
        return "id1_spec.npz: no such file"
    if what == "cut":
        content = spectrogram.read_bytes()
        spectrogram.write_bytes(content[: len(content) // 2])
        return "id1_spec.npz: unreadable: File is not a zip file"
    if what == "bits":
        changed = bytearray(spectrogram.read_bytes())
        changed[2000] ^= 255
        spectrogram.write_bytes(changed)
        return r"id1_spec.npz[arr_0]: unreadable: Bad CRC-32"
    if what == "key":
        np.savez(folder / "id1_2d.npz", other=parts["2d"])
        return "id1_2d.npz: expected an array 'features', found other"
    if what == "objects":
        np.savez(folder / "id1_2d.npz", features=np.array([print], object))
        return "id1_2d.npz[features]: unreadable: Object arrays cannot be loaded"
    if what == "texts":
        np.savez(folder / "id1_2d.npz", features=np.array(["a"]))
        return "id1_2d.npz[features]: expected numbers, found <U1"
    if what == "width":
        write_video(root, "food/v_1/id1", **{"2d": np.ones((30, 5))})
        return "id1_2d.npz[features]: expected an array (n, 3), found (30, 5)"
    if what == "spectrogram":
        write_video(root, "food/v_1/id1", spec=np.ones(30))
        return "id1_spec.npz[arr_0]: expected an array of 2 dimensions, found (30,)"
    write_video(root, "food/v_1/id1", **{"3d": parts["3d"] * np.float16("nan")})
    return "id1_3d.npz[features]: expected finite numbers, found"


SPOILT = [
    "missing", "no sound", "cut", "bits", "key", "objects", "texts", "width", "spectrogram", "nan",
]  # fmt: skip


@pytest.mark.parametrize("what", SPOILT)
def test_unfit_files_are_replaced_and_named(root: Path, what: str, caplog: pytest.LogCaptureFixture) -> None:
    words = spoil(root, what)
    with caplog.at_level(logging.WARNING):
        sample = clips(root)[SampleKey(1, 0)]
    assert sample["replaced"].item() == 1
    assert sample["index"].item() != 1
    assert words in caplog.text
    assert "replaced by another sample" in caplog.text


def test_nothing_can_be_read(root: Path) -> None:
    shutil.rmtree(root / "audio")
    with pytest.raises(DecodeError, match=r"art/v_0/id0: and 19 others could not be read; last: .*_spec.npz"):
        clips(root)[SampleKey(0, 0)]


def test_files_without_a_zip_are_mapped(tmp_path: Path) -> None:
    array = features()["2d"]
    np.save(tmp_path / "a.npy", array)
    found, where = FeatureFiles(rows_2d=["{path}.npy"]).read(str(tmp_path), "a", "rows_2d")
    assert isinstance(found, np.memmap)
    assert np.array_equal(found, array)
    assert where == f"{tmp_path}/a.npy"


def test_categories(root: Path) -> None:
    videos = HowTo100MCategories(str(root), "train.csv", max_videos=3)
    videos.open()
    assert (len(videos), videos.class_names, videos.name) == (3, ["art", "food"], "howto100m")
    data = videos.dataset(small_pipeline())
    samples = [data[row] for row in range(len(data))]
    assert [videos.title(row) for row in range(3)] == ["id0", "id2", "id5"]
    assert [sample["label"].item() for sample in samples] == [0, 0, 1]
    assert [sample["index"].item() for sample in samples] == [0, 1, 2]
    assert samples[0]["audio"].shape == (1, 40, 768)
    assert torch.equal(samples[1]["audio"], data[SampleKey(1, 9)]["audio"])  # whatever the epoch
    assert len(HowTo100MCategories(str(root), "train.csv")) == 6
    assert videos.thumbnail(0) is None


def test_categories_of_an_empty_list(root: Path) -> None:
    (root / "none.csv").write_text("path\nx/y/z\n")
    videos = HowTo100MCategories(str(root), "none.csv")
    with pytest.raises(ValueError, match=r"HowTo100MCategories: no usable video in howto100m: 0 of 1 videos"):
        videos.open()
