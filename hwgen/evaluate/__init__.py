"""Benchmarks, closed-loop evaluation of a policy on a robot, reports."""
