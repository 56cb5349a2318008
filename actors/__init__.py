"""Who decides, in which order.

In the order of a chunk:

- `reception`: a socket asks for a session or a node, and gets the actor it speaks with.
- `session/`: one speaker. Cuts speech into utterances, puts outcomes in order.
- `dispatcher/`: runs the scripts of all jobs, nodes and sessions; finds a node for each utterance.
- `node/`: one connected node. Hands over audio, takes what comes back.
- `room/`: one room. Who is in it, and who hears whom in which language.
- `instance/`: this process among others. Its lease, the notes of others, links to them.
- `operations`: what operators do to sessions, nodes and jobs, wherever these live.
- `messages/`: everything that they tell each other, by subject.
- `runtime/`: pykka on the event loop: actors, timers, bounded mailboxes, supervision.

Beside them, what several share: `directory` (who is where), `ports` (what actors ask of sockets),
`admission` (bounds), `ownership` (who named what is another's), `overload`, `lease`, `verdict`
(what a node's answer means), `metrics`, `traces` (where spans go), `missing_log` (a line for each
utterance that ends without a translation).
"""
