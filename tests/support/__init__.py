"""What the integration tests stand on: servers, a project to run, a proxy that breaks things."""
