"""What other programs import: `lingua.node` and `lingua.client`; `python -m lingua` runs commands.

In a checkout this is a thin folder beside the packages it names. In an installed wheel those
packages lie inside it (`lingua.peers`, `lingua.protocol`, …), so that nothing else is at the top.
"""
