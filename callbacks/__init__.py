"""What happens beside the gradient step."""

from callbacks.batchnorm import BatchNormWarmup
from callbacks.cluster_evaluation import ClusterEvaluation
from callbacks.cluster_pictures import ClusterPictures
from callbacks.clustering import ClusteringPass, RememberedClusteringPass
from callbacks.cpu_threads import CPUThreads
from callbacks.degradation import Degradation
from callbacks.export import ExportEncoder
from callbacks.export_features import ExportFeatures
from callbacks.knn_evaluation import KNNEvaluation
from callbacks.predictions import ClusterPredictions
from callbacks.queue_update import QueueUpdate
from callbacks.retrieval_evaluation import RetrievalEvaluation
from callbacks.retrieval_features import MaxPooledMaps, PooledFeatures, RetrievalFeatures
from callbacks.seeded_steps import SeededSteps
from callbacks.svm_evaluation import SVMEvaluation
from callbacks.target_update import TargetUpdate
from callbacks.throughput import Throughput

__all__ = [
    "BatchNormWarmup",
    "CPUThreads",
    "ClusterEvaluation",
    "ClusterPictures",
    "ClusterPredictions",
    "ClusteringPass",
    "Degradation",
    "ExportEncoder",
    "ExportFeatures",
    "KNNEvaluation",
    "MaxPooledMaps",
    "PooledFeatures",
    "QueueUpdate",
    "RememberedClusteringPass",
    "RetrievalEvaluation",
    "RetrievalFeatures",
    "SVMEvaluation",
    "SeededSteps",
    "TargetUpdate",
    "Throughput",
]
