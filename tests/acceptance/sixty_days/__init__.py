"""Sixty days of one developer, two apps and forty tenants, hour by hour, and all that is said meanwhile."""
