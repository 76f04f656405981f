from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from tests._helpers import small_page


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    """Write the folder of a run with predictions of 12 images and their features."""
    run, count = tmp_path / "run", 12
    features = run / "predict" / "all"
    features.mkdir(parents=True)
    with (run / "predict" / "predictions.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "start", "end", "split", "cluster", "confidence", "missing"])
        for row in range(count):
            path = tmp_path / f"{row}.png"
            small_page.write_file(path, 20 * row)
            writer.writerow([path, 0, "", "train", row % 2, 0.9, ""])
    (features / "paths.txt").write_text("".join(f"{tmp_path / str(row)}.png\n" for row in range(count)))
    np.save(features / "features_image.npy", small_page.features(count)["video"])
    return run
