"""The card network's switch: takes requests from acquirers, opens the card, routes, answers, and undoes what it must.

`core/` decides (pure), `store` names the tables, `node` is the shell, `config` the switch's part of the topology. The
switch never owns money and never keeps a card number: what it stores names a card by its network token, or sealed.
"""
