"""Experiments with faults: what the gateway promises, measured."""
