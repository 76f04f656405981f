"""Callbacks that act on training: clustering passes, queues, target networks, seeds, counters."""
