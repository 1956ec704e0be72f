"""Readers of what is so at the moment, each a few questions to the database."""
