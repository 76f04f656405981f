"""Callbacks that evaluate a method, at validation and test."""
