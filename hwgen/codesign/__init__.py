"""Co-design: the hardware that fits a policy, why it is that one, and what a robot gets out of it."""
