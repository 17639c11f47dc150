"""Apprise: mail, chat, webhooks."""
