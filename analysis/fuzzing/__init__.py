"""Fuzzing sessions: engines, findings, planted bugs and who finds them."""
