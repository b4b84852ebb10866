"""People's ways in and out: each bridge turns a provider's messages into events, and owed rows into messages."""
