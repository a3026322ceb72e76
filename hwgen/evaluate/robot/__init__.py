"""The simulated robot: scene, expert, instructions, episodes, picture."""
