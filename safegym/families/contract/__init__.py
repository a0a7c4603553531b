"""The contract game: what a principal pays for when it cannot see how hard an agent works.

`kernel` is the game, `solver` what it can bring, `game` the two players, `vector` many games at once.
"""

from safegym.families.contract.game import AGENT, PRINCIPAL, ContractGame
from safegym.families.contract.kernel import ANSWER, OFFER, Primitives
from safegym.families.contract.vector import ContractVector

__all__ = ["AGENT", "ANSWER", "OFFER", "PRINCIPAL", "ContractGame", "ContractVector", "Primitives"]
