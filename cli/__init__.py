"""The command line: settings, subcommands, logging. It decides nothing about speech or jobs."""
