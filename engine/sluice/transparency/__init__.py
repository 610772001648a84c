"""What the EU's Digital Services Act asks platforms to publish: statements of reasons, how good automation is."""
