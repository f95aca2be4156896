"""Meson, Ninja and cross compilers."""
