"""Compiled loops of detection; imported inside functions only."""
