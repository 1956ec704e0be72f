"""Looks at a running installation from outside, and says in words what is wrong and what to do."""
