"""One seed from several numbers, for every random choice that must follow from them alone."""

import numpy as np


def derive_seed(*numbers: int) -> int:
    """Return a seed of 32 bits that follows from the numbers and from their order.

    torch's generator on the CPU reads the low 32 bits of its seed, so sums and shifts of numbers repeat: use this.
    Lists of different lengths have seeds of their own, (1, 2) and (1, 2, 0) too.
    """
    entropy = [len(numbers), *(number % 2**64 for number in numbers)]  # NumPy takes no negative numbers
    return int(np.random.SeedSequence(entropy).generate_state(1)[0])
