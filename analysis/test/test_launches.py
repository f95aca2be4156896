"""What a launch says: of turns, and of the slices of a trace."""

import math

import pytest

from analysis.runs.samples import Launch, Side


def launch(mine, other, slices=1, operations=(10.0, 10.0), alone=((), ())):
    proof = dict.fromkeys(("malloc_owner", "malloc_sha256", "benchmark_sha256",
                           "benchmark_version", "compiler", "compiler_flags"), "")
    sides = [Side(arm, count, list(cpu), list(own), slices, **proof)
             for arm, count, cpu, own in
             zip(("pool", "glibc"), operations, (mine, other), alone)]
    return Launch("w", 0, 0, "a" * len(mine), 0.0, 0.0, 0.0, None, sides)


def test_a_cycle_hit_by_something_else_does_not_count():
    assert launch([10, 10, 90], [20, 20, 20]).difference == pytest.approx(math.log(2))
    assert launch([10, 10, 10], [20, 20, 20], operations=(10, 20)).difference == pytest.approx(0)


def test_slices_count_by_what_they_take():
    once = launch([10, 100], [20, 100], slices=2)
    assert once.difference == pytest.approx(math.log(120 / 110))
    often = launch([10, 100, 10, 100, 900, 100], [20, 100, 20, 100, 20, 700], slices=2)
    assert often.difference == pytest.approx(math.log(120 / 110))
    assert often.sides[0].time_ns == pytest.approx(5.5)
    back = launch([20, 90, 24, 80], [10, 100, 30, 100], slices=2)
    forth = launch([10, 100, 30, 100], [20, 90, 24, 80], slices=2)
    assert back.difference == pytest.approx(-forth.difference), "either is the other's baseline"


def test_alone_is_seen_by_slices_too():
    seen = launch([1, 1], [1, 1], slices=2, alone=([10, 100], [20, 100]))
    assert seen.alone_difference == pytest.approx(math.log(120 / 110))
    assert math.isnan(launch([1], [1]).sides[0].alone_ns)
