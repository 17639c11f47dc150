"""What production said and what was concluded, in SQL; and the images it sent."""
