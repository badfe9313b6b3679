"""Measures ARMS beside the engines that a user could pick instead; see README.md."""
