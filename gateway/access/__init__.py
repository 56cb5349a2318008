"""Who may do what: credentials, origins and hosts, judged before a request becomes a socket."""
