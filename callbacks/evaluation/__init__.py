"""Callbacks that measure what was learned, at validation and test."""
