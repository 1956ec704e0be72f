"""The senses: one folder per provider, each turning bytes into observations and nothing else."""
