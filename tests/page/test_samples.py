from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from unlabelled.page import read_features, read_samples


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_the_columns_of_a_table(tmp_path: Path) -> None:
    table = write(
        tmp_path / "p.csv",
        "path,start,end,split,label,cluster,confidence,nearest_1,missing\n"
        '"/d/a, b.mp4",0,2.5,train,dog,3,0.75,/d/x/c.mp4,audio\n/d/x/c.mp4,1,,test,,0,0.5,,\n',
    )
    samples = read_samples(table)
    assert samples.names == ["a, b.mp4", "x/c.mp4"]
    assert samples.root == "/d"
    assert samples.clusters.tolist() == [3, 0]
    assert samples.labels == ["dog", ""]
    assert samples.missing == ["audio", ""]
    np.testing.assert_array_equal(samples.ends, [2.5, np.nan])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,cluster\na,1\n", "'confidence' is missing"),
        ("path,cluster,confidence\n", "no sample"),
        ("path,cluster,confidence\na,1,0.5\nb,x,0.5\n", "row 3: the cluster is 'x'"),
        ("path,cluster,confidence\na,,0.5\n", "row 2: the cluster is missing"),
        ("path,cluster,confidence\na,1,nan\n", "row 2: the confidence is missing"),
    ],
)
def test_an_unusable_table_is_named_with_its_row(tmp_path: Path, text: str, message: str) -> None:
    table = write(tmp_path / "p.csv", text)
    with pytest.raises(ValueError, match=message) as error:
        read_samples(table)
    assert str(table) in str(error.value)


def test_features_are_those_of_the_readable_samples(tmp_path: Path) -> None:
    write(tmp_path / "paths.txt", "a\nb\nc\n")
    video = np.arange(6, dtype=np.float32).reshape(3, 2)
    video[1] = np.nan
    np.save(tmp_path / "features_video.npy", video)
    np.save(tmp_path / "features_video+audio.npy", video)
    found = read_features(tmp_path, ["a", "c"])
    assert list(found) == ["video"]
    np.testing.assert_array_equal(found["video"], video[[0, 2]])
    with pytest.raises(ValueError, match="one call of predict"):
        read_features(tmp_path, ["a", "b"])
