"""How long things take, beside what they are made of."""
