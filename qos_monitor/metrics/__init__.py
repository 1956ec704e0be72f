"""The catalogue of metrics: what is counted and measured, in which unit, under which labels."""
