"""Tables and figures of Hua et al., Human imperceptible attacks and applications to improve fairness."""
