"""One speaker, from the first chunk to the last outcome.

In the order of a chunk:

- `actor`: what comes in (`inbound`), which part has its turn, and time. `life` is the table of its
  phases; `composition` makes its parts, `parts` is what they know of each other.
- `speech`: what the speaker says and hears, by way of `uplink/` (audio to cuts, cuts to utterances)
  and `downlink/` (ends of jobs to outcomes, in order).
- `member/`: its part in a room.
- `resume/`: what lets its client come back, here or on another instance; `record/` is what the
  store keeps for that.
- `handlers/`: what is done where a session begins, its socket comes or goes, its client asks for
  something else, its audio is converted first, or it ends.

Values beside them: `profile/` (what is asked for, of a session and of each job, and who may come
back to it), `cut`, `utterances` (what is open), `options`, `setup`. `presence/` knows the sessions
of the process: who has a socket, and who ends first where too many wait for their clients.
"""
