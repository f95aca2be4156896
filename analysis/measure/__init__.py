"""Runs the arms and records what they told."""
