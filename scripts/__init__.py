"""Tools for whoever works on Uptake."""
