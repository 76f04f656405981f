"""What happens beside the gradient step."""

from callbacks.batchnorm import BatchNormWarmup
from callbacks.cluster_evaluation import ClusterEvaluation
from callbacks.cluster_pictures import ClusterPictures
from callbacks.clustering import ClusteringPass, RememberedClusteringPass
from callbacks.cpu_threads import CPUThreads
from callbacks.degradation import Degradation
from callbacks.predictions import ClusterPredictions
from callbacks.seeded_steps import SeededSteps
from callbacks.throughput import Throughput

__all__ = [
    "BatchNormWarmup",
    "CPUThreads",
    "ClusterEvaluation",
    "ClusterPictures",
    "ClusterPredictions",
    "ClusteringPass",
    "Degradation",
    "RememberedClusteringPass",
    "SeededSteps",
    "Throughput",
]
