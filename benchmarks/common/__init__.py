"""What all benchmarks share: jobs in processes of their own, rows, tables, pictures."""
