"""The portal's pages: what a developer, a tenant's admin and the operator do by hand, over the API's own calls."""
