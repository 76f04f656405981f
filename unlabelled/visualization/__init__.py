"""Figures of clusters, hierarchies, anchors and retrieval, by matplotlib without a display."""
