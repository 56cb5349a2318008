"""What a node can do with speech: recognise, translate, speak; and the opus codec."""
