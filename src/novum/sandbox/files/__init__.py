"""Files of untrusted code: taken out, unpacked and read without following or believing anything in them."""
