"""What is on the network, and what it says it is; and keeping the families that were adopted."""
