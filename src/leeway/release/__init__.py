"""From a bundle to the champion: judged, promoted, rolled back, retrained."""
