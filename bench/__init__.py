"""Benchmarks; they are not tests."""
