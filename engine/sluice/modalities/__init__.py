"""What a post is made of: texts, images and clips, each from its source to an encoder's outputs and its evidence."""
