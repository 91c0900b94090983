from rrnet_lightning.data.seeds import derive_seed


def test_each_list_of_numbers_has_a_seed_of_its_own() -> None:
    lists = [(1, 2), (2, 1), (1, 2, 0), (1, 2, 0, 0), (1,), (0, 1, 2), (2**32 + 1, 2), (2**20, 1), (-1, 2), (1, 4096)]
    seeds = {numbers: derive_seed(*numbers) for numbers in lists}
    assert len(set(seeds.values())) == len(lists) and all(0 <= seed < 2**32 for seed in seeds.values())
    assert seeds == {numbers: derive_seed(*numbers) for numbers in lists}
    assert derive_seed(1, 2) == 2946223120  # the same on every machine and in every version
