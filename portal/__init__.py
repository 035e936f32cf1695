"""The seed's portal: apps, scopes, versions and connections over HTTP. Imports nothing of ours."""
