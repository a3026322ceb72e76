"""`hwgen search`: the policy that fits the hardware. Each trial is a policy, measured with the engine chosen for it."""
