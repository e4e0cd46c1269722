"""A training program for people to read. It knows the models and nothing else."""
