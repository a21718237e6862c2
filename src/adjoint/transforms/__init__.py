"""Floor 4: function in, function out."""
