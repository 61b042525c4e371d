"""The plugin: every module of this package becomes part of it where `handler` imports it."""
