"""Tensors in pickles; arrays and malice are in ``test_convert``."""

from __future__ import annotations

import io
import pickle
from typing import Any

import numpy as np
import pytest
import torch

from unlabelled.data.features.safe_pickle import UnsafePickleError, load_pickle, plain


def test_tensors_become_arrays() -> None:
    whole = torch.arange(20.0).reshape(4, 5)
    pickled = pickle.dumps({"audio": whole[:, ::2], "half": torch.tensor([1.5, 2.0]).half()})
    found = load_pickle(io.BytesIO(pickled), "tensors.pkl")
    assert np.array_equal(plain(found["audio"]), whole[:, ::2].numpy())
    assert plain(found["half"]).tolist() == [1.5, 2.0]


def test_a_tensor_beyond_its_storage_is_refused() -> None:
    class Forged:
        def __reduce__(self) -> tuple[Any, ...]:
            storage = torch.arange(3.0).storage()
            return torch._utils._rebuild_tensor_v2, (storage, 0, (1000,), (1,), False, {})

    with pytest.raises(UnsafePickleError, match="does not fit its storage"):
        load_pickle(io.BytesIO(pickle.dumps(Forged())), "forged.pkl")
