"""What cameras over the network need of the hub, whatever protocol they speak."""
