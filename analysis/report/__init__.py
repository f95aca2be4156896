"""Draws a run and tells what it found."""
