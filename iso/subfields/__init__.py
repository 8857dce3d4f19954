"""What is inside an element: BER-TLV, TLV and LTV of fixed widths, columns, bitmaps of their own; one tree for all.

A layout divides the bytes of one element and puts them together again; `standard` has those that common practice knows,
`config` makes the user's own from a table.
"""

from iso.subfields.bertlv import BerTlv
from iso.subfields.bitmapped import Bitmapped
from iso.subfields.config import layout_from
from iso.subfields.node import Layout, Node, element_value, find, parse_element, replaced, shown, walk
from iso.subfields.positional import Part, Positional, Repeated
from iso.subfields.standard import layout_of
from iso.subfields.tagged import Tagged

__all__ = [
    "BerTlv",
    "Bitmapped",
    "Layout",
    "Node",
    "Part",
    "Positional",
    "Repeated",
    "Tagged",
    "element_value",
    "find",
    "layout_from",
    "layout_of",
    "parse_element",
    "replaced",
    "shown",
    "walk",
]
