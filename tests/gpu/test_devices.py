"""No computation combines a tensor of a GPU with one of the processor, and none is forgotten in the tables.

The former is found without a GPU: tensors only pretend to be on one.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator

import pytest
import torch

from tests.gpu.cases import CASES
from tests.gpu.inputs import numbers_of
from tests.gpu.network_cases import LARGE
from tests.gpu.pretended import CUDA, Pretended, PretendedInputs, pretended_gpu

_TRAINS = "it computes gradients, which pretended tensors have not"
_LIST = "it indexes by a list, which torch itself copies to the device"
NOT_PRETENDED = {
    "RiemannianAdam": _TRAINS,
    "TreeClusterer": _TRAINS,
    "ClusteringMetrics": "torchmetrics moves its own tensors",
    "class_overlap": _LIST,
    "silent_area": _LIST,
}
PACKAGES = (
    "losses",
    "clustering",
    "metrics",
    "transforms.augmentation",
    "transforms.colour",
    "nn",
    "encoders",
)
GEOMETRY = ("hierarchy.poincare", "hierarchy.lca", "hierarchy.triplets", "hierarchy.manifolds")
_TABLE = "of a contingency table, which is on the processor"
_SELECTION = "it selects samples by scikit-learn, on the processor"
_STEPS = "a step of another function of the table"
WITHOUT_A_CASE = {
    **dict.fromkeys(
        (
            *("adjusted_mutual_information", "adjusted_rand_index", "hungarian_accuracy", "mean_entropy"),
            *("mean_max_purity", "normalized_mutual_information", "weighted_purity", "level_scores"),
            *("merged_rows", "dendrogram_purity", "expected_mutual_information"),
        ),
        _TABLE,
    ),
    **dict.fromkeys(
        ("draw_shots", "svm_average_precision", "linear_accuracy", "stratified_folds", "class_accuracy"),
        _SELECTION,
    ),
    **dict.fromkeys(
        (
            *("fit", "sample_rows", "gather_on_first", "tiles", "where", "span", "per_sample"),
            *("SharedProjection", "Whitening", "token_maps"),
        ),
        _STEPS,
    ),
    **dict.fromkeys(
        (
            *("agreement_by_head", "clusterings_of_features", "cluster_measures", "copy_measures"),
            *("loss_measures", "predictions_from_features"),
        ),
        "of agreement and k-means",
    ),
    "mean_over_crops": "a mean over rows",
    "ShuffleBatchNorm": "it shuffles over processes, by random numbers of the device",
}


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU, on which the cases run")
@pytest.mark.parametrize("name", [name for name in CASES if name not in LARGE])
def test_a_kernel_keeps_to_its_device(name: str) -> None:
    if name in NOT_PRETENDED:
        pytest.skip(NOT_PRETENDED[name])
    with pretended_gpu():
        results = list(numbers_of(CASES[name](PretendedInputs(name))))
    assert results


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_mixed_devices_are_found() -> None:
    with pretended_gpu():
        rows = Pretended(torch.ones(3))
        assert (rows + torch.tensor(1.0)).device == torch.arange(3, device=CUDA).device == CUDA
        assert rows.cpu().device.type == "cpu"
        with pytest.raises(RuntimeError, match="same device"):
            rows + torch.ones(3)
        with pytest.raises(TypeError, match="numpy"):
            rows.numpy()


def public_names() -> Iterator[str]:
    """Yield the functions of tensors, and the concrete classes that are called with tensors."""
    for name in (*PACKAGES, *GEOMETRY):
        package = importlib.import_module(f"unlabelled.{name}")
        parts = pkgutil.iter_modules(getattr(package, "__path__", []), f"{package.__name__}.")
        for module in (package, *(importlib.import_module(part.name) for part in parts)):
            for own, value in vars(module).items():
                is_own = not own.startswith("_") and getattr(value, "__module__", "") == module.__name__
                if is_own and _takes_tensors(value):
                    yield own


def _takes_tensors(value: object) -> bool:
    if inspect.isclass(value):
        called = value.__dict__.get("forward") or value.__dict__.get("__call__")
        return called is not None and not inspect.isabstract(value) and _takes_tensors(called)
    return inspect.isfunction(value) and any("Tensor" in str(each) for each in _inputs(value))


def _inputs(function: object) -> list[object]:
    return [note for name, note in getattr(function, "__annotations__", {}).items() if name != "return"]


def test_each_function_of_tensors_has_a_case() -> None:
    names, with_case = set(public_names()), {name.split(":")[0] for name in CASES}
    assert len(names) > 100
    assert sorted(names - with_case - WITHOUT_A_CASE.keys()) == []
    assert sorted(WITHOUT_A_CASE.keys() & with_case) == []
    assert sorted(WITHOUT_A_CASE.keys() - names) == []
