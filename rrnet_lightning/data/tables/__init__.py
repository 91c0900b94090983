"""A user's own two modalities: feature tables, the pairs between them, labels, and who trains and who tests."""
