"""Tests that start Ray are a group that one process runs, so that no start of Ray waits for another."""

import pytest

pytestmark = pytest.mark.xdist_group("ray")


def test_a_test_that_starts_ray_is_told_by_the_suffix_of_its_name(request):
    is_worker = hasattr(request.config, "workerinput")
    assert request.node.nodeid.endswith("@ray") == is_worker
