"""The machine's adversaries: answers made from right ones, each of them wrong in one way that no author has to think of.

An adversary stands around every call of a right answer. A check that accepts it cannot tell it from the right one.
"""
