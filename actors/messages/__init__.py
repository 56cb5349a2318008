"""Everything that actors of one process tell each other, by subject.

Commands stand in the imperative (`AssignJob`), facts in the past tense (`ChunkArrived`). All carry
values only and never change: each is declared with `@value` of `protocol/value.py`, the rare ones
like the frequent ones, because one way to declare them is less to know than two. Audio is the
session's, and travels in `UtteranceCut`, `AudioSupplied` and `AssignJob`.
"""
