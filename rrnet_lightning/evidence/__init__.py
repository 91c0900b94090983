"""What may be shown, what a step hides, and the relations that follow from what is visible."""
