"""People's ways in: the web chat, the console; later WhatsApp and Telegram."""
