"""Sections and tiles put where they belong: matches, global solutions, and pictures drawn by them."""
