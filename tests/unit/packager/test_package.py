"""Packaging real estimators."""
