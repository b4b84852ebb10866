"""What providers speak: Telegram, and WhatsApp and SMS through Twilio. Dobby is whole without; the config names what is used."""
