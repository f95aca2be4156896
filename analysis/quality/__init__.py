"""Tests, checks and rules of the project itself."""
