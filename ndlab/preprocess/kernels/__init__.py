"""Compiled loops of `preprocess`."""
