"""Pages for people: what stands now, outages, cases, learners, classes; without a line of script."""
