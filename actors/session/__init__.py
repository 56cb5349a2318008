"""One speaker, from the first chunk to the last outcome.

In the order of a chunk:

- `actor`: what comes in (`inbound`), which part has its turn, and time. `life` is the table of its
  phases; `composition` makes its parts, `parts` is what they know of each other.
- `speech`: what the speaker says and hears, by way of `uplink/` (audio to cuts, cuts to utterances)
  and `downlink/` (ends of jobs to outcomes, in order).
- `member/`: its part in a room.
- `resume/`: what lets its client come back, here or on another instance; `record/` is what the
  store keeps for that.
- `connection`: the sockets that speak for it. `ending`: the ways to end.

Values beside them: `profile` and `job_spec` (what is asked for), `cut`, `utterances` (what is
open), `options`, `setup`, `resumption` (who may come back), `presence` (who is here),
`detached` (who ends first where too many wait for their clients).
"""
