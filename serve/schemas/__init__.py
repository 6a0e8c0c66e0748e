"""Requests and replies of the service, with examples for OpenAPI."""
