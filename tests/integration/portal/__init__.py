"""The portal, asked over real HTTP on a real PostgreSQL."""
