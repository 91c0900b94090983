"""What all benchmarks share: jobs, the files of their results, differences of models, pictures."""
