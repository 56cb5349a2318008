"""Everything that actors of one process tell each other, by subject.

Commands stand in the imperative (`AssignJob`), facts in the past tense (`ChunkArrived`). All carry
values only and never change. Audio is the session's, and travels in `UtteranceCut`,
`AudioSupplied` and `AssignJob`.
"""
