"""The front door: five steps each — find, believe, do, count, answer."""
