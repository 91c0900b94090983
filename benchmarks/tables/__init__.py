"""Ranking two tables: RR-Net beside what ranks the same candidates without a graph."""
