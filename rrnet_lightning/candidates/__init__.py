"""Stage one: which pairs are candidates, and how likely each is. Every generator is held to one contract."""
