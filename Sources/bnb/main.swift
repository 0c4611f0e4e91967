print("bnb")
