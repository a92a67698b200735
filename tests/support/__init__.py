"""What the integration tests stand on: real servers, a project to run, a proxy that breaks things."""
