"""Ratings of items by users, with trust between users."""
