"""The engines that the native one is measured against: how they are installed and which models are made for them."""
