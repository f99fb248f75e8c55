"""Streams of random numbers: the same for the same numbers, another one for their neighbours, and put back in place."""

import itertools

import torch

from trainables.training.generators import fork_generators, generator_states, restore_generators, seeded_generator

CPU = torch.device("cpu")


def stream(*numbers):
    return tuple(torch.randint(2**31, (4,), generator=seeded_generator(CPU, *numbers)).tolist())


def test_numbers_determine_a_stream_that_no_neighbour_shares():
    numbers = list(itertools.product(range(8), range(8), range(2)))
    streams = [stream(*each) for each in numbers]
    assert len(set(streams)) == len(streams)
    assert [stream(*each) for each in numbers] == streams


def test_a_stream_takes_nothing_from_torchs_own_generator():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    stream(1, 2)
    assert torch.equal(torch.get_rng_state(), before)


def test_torchs_own_generator_goes_on_where_it_was():
    torch.manual_seed(5)
    saved = generator_states(CPU)
    expected = torch.rand(3)
    torch.rand(9)
    restore_generators(CPU, saved)
    assert torch.equal(torch.rand(3), expected)


def test_what_is_drawn_within_is_that_of_the_numbers_and_draws_nothing_from_outside():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    drawn = []
    for numbers in ((1, 2), (1, 2), (1, 3)):
        with fork_generators(CPU, *numbers):
            drawn.append(torch.distributions.Beta(2.0, 3.0).sample((4,)).tolist())
        assert torch.equal(torch.get_rng_state(), before)
    assert drawn[0] == drawn[1] != drawn[2]
